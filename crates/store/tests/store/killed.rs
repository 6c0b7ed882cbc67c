//! The process of a test that is killed in the middle of what it does.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// Starts a test of this program that is ignored otherwise, which finds `dir` in the environment variable, and
/// kills it after so many lines that `hear` counts. Lines that were on their way when it died are heard
/// as well: it had its answer.
pub fn run_and_kill(
    test: &str,
    (variable, dir): (&str, &Path),
    lines_max: usize,
    mut hear: impl FnMut(&str) -> bool,
) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--nocapture"])
        .env(variable, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = 0;
    for line in lines.map_while(Result::ok) {
        if !hear(&line) {
            continue;
        }
        seen += 1;
        if seen == lines_max {
            child.kill().unwrap();
        }
    }
    assert!(
        !child.wait().unwrap().success(),
        "the child ended before it was killed"
    );
}
