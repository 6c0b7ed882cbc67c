//! An ordinary user of this machine, as whom a server runs without root.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::ops::Range;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::programs;

/// What `script/as-ordinary-user` makes of a number.
const UID_BASE: u32 = 70_000;
const SUPPLEMENTARY_BASE: u32 = 170_000;
const SUBORDINATE_BASE: u32 = 1_000_000_000;
const SUBORDINATE_COUNT: u32 = 10_000;
/// How many numbers a test has, of which the last is for the tests of sandboxes, and how many there are.
const OF_A_TEST: u32 = 10;
const NUMBERS: u32 = 60_000;

/// A user with subordinate ids and control groups, which end with it.
#[derive(Debug)]
pub struct OrdinaryUser {
    number: u32,
    without: &'static str,
}

impl OrdinaryUser {
    /// One that no other test of this machine has.
    pub fn new() -> Self {
        Self::without("")
    }

    /// One that lacks `subids` or `groups`.
    pub fn without(without: &'static str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let max = OF_A_TEST - 1;
        assert!(count < max, "a test has at most {max} users");
        let number = std::process::id() % (NUMBERS / OF_A_TEST) * OF_A_TEST + count;
        Self { number, without }
    }

    /// Its uid, which is its group's number too.
    pub fn uid(&self) -> u32 {
        UID_BASE + self.number
    }

    /// A group that it is in besides.
    pub fn supplementary_group(&self) -> u32 {
        SUPPLEMENTARY_BASE + self.number
    }

    /// The ids that are its own beside that.
    pub fn subordinate(&self) -> Range<u32> {
        let first = SUBORDINATE_BASE + SUBORDINATE_COUNT * self.number;
        first..first + SUBORDINATE_COUNT
    }

    /// The command that a command to be run as this user follows. `binds` are directories and where the
    /// user is to find them.
    pub fn command(&self, binds: &[(&Path, &Path)]) -> Command {
        let pair = |(from, to): &(&Path, &Path)| -> OsString {
            [from.as_os_str(), OsStr::new("="), to.as_os_str()]
                .into_iter()
                .collect()
        };
        let binds: Vec<_> = binds.iter().map(pair).collect();
        let mut command = Command::new(programs::repository().join("script/as-ordinary-user"));
        command
            .arg(self.number.to_string())
            .env("KILN_BIND", binds.join(OsStr::new(" ")))
            .env("KILN_WITHOUT", self.without);
        command
    }

    /// Makes a directory that is the user's.
    pub fn own_directory(&self, path: &Path) {
        fs::create_dir_all(path).expect("the directory is ours");
        chown(path, Some(self.uid()), Some(self.uid())).expect("this test requires root");
    }

    /// The groups of servers in its control groups.
    pub fn server_groups(&self) -> Vec<PathBuf> {
        let below = self.groups().into_iter().flat_map(directories);
        let is_servers = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default();
            name.to_string_lossy().starts_with("kiln-")
        };
        below.filter(is_servers).collect()
    }

    fn groups(&self) -> Vec<PathBuf> {
        let tree = Path::new("/sys/fs/cgroup");
        let trees = [tree.to_owned()].into_iter().chain(directories(tree));
        let own = format!("kiln-user-{}", self.number);
        trees
            .map(|tree| tree.join(&own))
            .filter(|group| group.is_dir())
            .collect()
    }
}

impl Default for OrdinaryUser {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for OrdinaryUser {
    fn drop(&mut self) {
        for group in self.groups() {
            remove(&group);
        }
    }
}

/// Control groups are removed without their files, from the innermost on.
fn remove(group: &Path) {
    directories(group).iter().for_each(|below| remove(below));
    let _ = fs::remove_dir(group);
}

fn directories(path: impl AsRef<Path>) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| path.is_dir() && !path.is_symlink())
        .collect()
}
