//! A fresh interpreter that imports boto3: what a cold start costs without templates, in time and
//! in memory.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use kiln_testkit::runtimes::Python;
use kiln_types::{Clock as _, SystemClock};

/// What a fresh interpreter takes.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) times: Vec<Duration>,
    pub(crate) private_bytes: u64,
}

/// Starts the interpreter that Kiln uses, with the packages that Kiln's functions see.
pub(crate) fn measure(python: &Python, pack: &Path, samples: usize) -> anyhow::Result<Fresh> {
    let mut times = Vec::new();
    for _ in 0..samples {
        let clock = SystemClock::start();
        let status = command(python, pack)
            .args(["-c", "import boto3"])
            .status()?;
        times.push(clock.now().since_start());
        ensure!(
            status.success(),
            "import boto3 failed with {}",
            python.executable.display()
        );
    }
    Ok(Fresh {
        times,
        private_bytes: private_bytes(python, pack)?,
    })
}

fn command(python: &Python, pack: &Path) -> Command {
    let mut command = Command::new(&python.executable);
    command.env("PYTHONPATH", pack);
    command
}

fn private_bytes(python: &Python, pack: &Path) -> anyhow::Result<u64> {
    let code = "import boto3\nprint(sum(int(l.split()[1]) for l in open('/proc/self/smaps_rollup') \
                if l.startswith('Private_')))";
    let output = command(python, pack).args(["-c", code]).output()?;
    let kib: u64 = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .context("KiB")?;
    Ok(kib * 1_024)
}
