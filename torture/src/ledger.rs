//! What ran, as the functions themselves wrote it down.

use std::os::unix::fs::chown;

use kiln_testkit::Server;
use kiln_types::AccessPoint;
use serde_json::json;

/// Owns the ledger; nobody on this machine.
const OWNER: u32 = 1_234_567;
/// The file system's name and the file in it.
const NAME: &str = "ledger";
const FILE: &str = "log";

/// How functions write a line: whole, in one call, before they answer.
const NOTE: &str = "import os
def note(*words):
    ledger = os.open('/mnt/ledger/log', os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(ledger, (' '.join(str(word) for word in words) + '\\n').encode())
    os.close(ledger)
";

/// A directory that functions write to.
pub(crate) struct Ledger {
    dir: tempfile::TempDir,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let file = std::fs::File::create(dir.path().join(FILE)).expect("the directory is ours");
        std::os::unix::fs::fchown(file, Some(OWNER), Some(OWNER)).expect("this runs as root");
        chown(dir.path(), Some(OWNER), Some(OWNER)).expect("this runs as root");
        Self { dir }
    }

    /// The server's setting.
    pub(crate) fn setting(&self) -> String {
        format!("{NAME}={}", self.dir.path().display())
    }

    /// Makes a function that can call `note` with the words of a line.
    pub(crate) fn create(&self, server: &Server, name: &str, source: &str) {
        let id = AccessPoint::named(NAME);
        let arn = format!("arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/{id}");
        let mount = json!([{ "Arn": arn, "LocalMountPath": "/mnt/ledger" }]);
        let function = server.function(name, &format!("{NOTE}{source}"));
        function.set("FileSystemConfigs", mount).create();
    }

    /// All lines so far, each in its words.
    pub(crate) fn lines(&self) -> Vec<Vec<String>> {
        let text = std::fs::read_to_string(self.dir.path().join(FILE)).unwrap_or_default();
        let words = |line: &str| line.split(' ').map(str::to_owned).collect();
        text.lines().map(words).collect()
    }
}
