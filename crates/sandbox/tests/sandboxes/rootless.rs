//! The tests of this program once more without root: in a user namespace of an ordinary user's, where
//! `script/as-ordinary-user` makes one and `sandbox_host rootless` enters it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::rig::{host, test_number};

/// The most users of `script/as-ordinary-user` at a time, of which a test has one.
const USERS: u32 = 60_000;
/// What is not without root, or is about root.
const SKIPPED: &[&str] = &[
    "rootless::",
    // The host's directories cannot be shared.
    "volumes::",
    // Are about who starts the server.
    "ordinary_user_is_told_to_use_root",
    // Compare pages with the list.
    "security_page_has_the_table_of_probes",
    // Long, and the same.
    "ten_thousand_sandboxes_leave_nothing",
];

struct User(u32);

impl Drop for User {
    fn drop(&mut self) {
        let own = format!("kiln-user-{}", self.0);
        let trees = std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten();
        let trees = trees.flatten().map(|entry| entry.path());
        for tree in trees.chain([PathBuf::from("/sys/fs/cgroup")]) {
            remove(&tree.join(&own));
        }
    }
}

/// Control groups are removed without their files, from the innermost on.
fn remove(group: &Path) {
    for entry in std::fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove(&entry.path());
        }
    }
    let _ = std::fs::remove_dir(group);
}

/// Runs the tests with these words in their names, one after the other.
fn again(names: &[&str]) {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test requires root, which makes an ordinary user: run it with sudo"
    );
    // The user is this process's.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // The last digit 9 is of these tests alone: those of servers have 0 to 8.
    let user = User(std::process::id() % (USERS / 10) * 10 + 9);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../script/as-ordinary-user");
    let output = Command::new(script)
        .arg(user.0.to_string())
        .arg(host())
        .arg("rootless")
        .arg(std::env::current_exe().expect("this test's path"))
        .args(names)
        .args(SKIPPED.iter().flat_map(|name| ["--skip", name]))
        .args(["--test-threads", "1"])
        // Names of this process: in its pid namespace another has the same number.
        .env("KILN_TEST_NUMBER", test_number().to_string())
        .stdin(Stdio::null())
        .output()
        .expect("the script is in the repository");
    let said = String::from_utf8_lossy(&output.stdout);
    let passed = |name: &&str| {
        let is_such =
            |line: &str| line.starts_with("test ") && line.contains(name) && line.ends_with("ok");
        said.lines().any(is_such)
    };
    assert!(
        output.status.success() && names.iter().all(passed),
        "{}\n{said}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn isolation() {
    again(&["isolation::"]);
}

#[test]
fn limits() {
    again(&["limits::"]);
}

#[test]
fn networks() {
    again(&["listeners::", "uplink::"]);
}

#[test]
fn images() {
    again(&["roots::"]);
}

#[test]
fn stems_and_companions() {
    again(&["stem::", "companions::"]);
}

#[test]
fn snapshots() {
    again(&["snapshots::"]);
}

#[test]
fn ends() {
    again(&["teardown::"]);
}

#[cfg(debug_assertions)]
#[test]
fn a_hostile_program_is_refused() {
    again(&["probes::a_hostile_"]);
}

#[cfg(debug_assertions)]
#[test]
fn each_layer_holds() {
    again(&[
        "probes::with_one_layer_left_out",
        "probes::each_layer_alone",
        "probes::without_the_layers",
    ]);
}
