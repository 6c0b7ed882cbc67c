//! When handlers begin: each writes it down, beside when its event came about, in a directory it shares with the bench.

use std::time::Duration;

use anyhow::{Context as _, bail};
use kiln_testkit::Server;
use kiln_types::AccessPoint;
use serde_json::json;
use tempfile::TempDir;

use crate::subject::ONE_CORE;

/// Owns the directory that the function writes to; nobody on this machine.
const OWNER: u32 = 1_234_567;
/// How often the directory is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// A directory with a line for each event that a handler saw.
#[derive(Debug)]
pub(crate) struct Starts {
    dir: TempDir,
}

impl Starts {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        std::os::unix::fs::chown(dir.path(), Some(OWNER), Some(OWNER))?;
        Ok(Self { dir })
    }

    /// The value of `--file-system` with which a server has the directory.
    pub(crate) fn setting(&self) -> String {
        format!("starts={}", self.dir.path().display())
    }

    /// Makes a function whose handler writes down when it began. The Python expression `sent` says when its events came
    /// about, in milliseconds since 1970.
    pub(crate) fn create_function(&self, server: &Server, name: &str, sent: &str) {
        let source = format!(
            "import time\n\n\ndef handler(event, context):\n    began = time.time_ns() // 1000000\n    \
             with open('/mnt/starts/times', 'a') as times:\n        \
             times.writelines(f'{{sent}} {{began}}\\n' for sent in {sent})\n"
        );
        let id = AccessPoint::named("starts");
        let arn = format!("arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/{id}");
        server
            .function(name, &source)
            .memory(ONE_CORE)
            .set(
                "FileSystemConfigs",
                json!([{"Arn": arn, "LocalMountPath": "/mnt/starts"}]),
            )
            .create();
    }

    /// From each event to its handler's first line, once this many events have been seen. More of them are an error, as
    /// are fewer after all this time.
    pub(crate) fn wait_for(
        &self,
        count: usize,
        patience: Duration,
    ) -> anyhow::Result<Vec<Duration>> {
        let mut left = patience;
        loop {
            let starts = self.read()?;
            if starts.len() == count {
                return Ok(starts);
            }
            if starts.len() > count || left.is_zero() {
                bail!("{} events were handled, {count} sent", starts.len());
            }
            std::thread::sleep(LOOK);
            left = left.saturating_sub(LOOK);
        }
    }

    fn read(&self) -> anyhow::Result<Vec<Duration>> {
        let file = self.dir.path().join("times");
        let times = match file.exists() {
            true => std::fs::read_to_string(file)?,
            false => String::new(),
        };
        let mut starts = Vec::new();
        for line in times.lines() {
            let (sent, began) = line.split_once(' ').context("two times a line")?;
            let (sent, began): (u64, u64) = (sent.parse()?, began.parse()?);
            starts.push(Duration::from_millis(began.saturating_sub(sent)));
        }
        Ok(starts)
    }
}
