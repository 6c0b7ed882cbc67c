//! What ran, as functions themselves wrote it down: a directory outside the server.

use std::os::unix::fs::chown;

use kiln_types::AccessPoint;
use serde_json::json;
use tempfile::TempDir;

use crate::Server;

/// Owns the ledger; nobody on this machine.
const OWNER: u32 = 1_234_567;
/// What the operator calls the directory.
const NAME: &str = "ledger";

/// A directory that functions of a server may write to, as `/mnt/ledger`.
#[derive(Debug)]
pub struct Ledger {
    dir: TempDir,
}

impl Ledger {
    /// An empty one.
    #[allow(clippy::new_without_default, reason = "it makes a directory")]
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory can be made");
        chown(dir.path(), Some(OWNER), Some(OWNER)).expect("tests of sandboxes run as root");
        Self { dir }
    }

    /// What the server's `--file-system` must be.
    pub fn setting(&self) -> String {
        format!("{NAME}={}", self.dir.path().display())
    }

    /// Makes a Python function that may write to it.
    pub fn create(&self, server: &Server, name: &str, source: &str) {
        let id = AccessPoint::named(NAME);
        let arn = format!("arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/{id}");
        let mount = json!([{"Arn": arn, "LocalMountPath": "/mnt/ledger"}]);
        let function = server.function(name, source);
        function.set("FileSystemConfigs", mount).create();
    }

    /// The lines of a file so far; the last one may be half written, and is left out then.
    pub fn lines(&self, file: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.dir.path().join(file)).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(str::to_owned).collect()
    }
}
