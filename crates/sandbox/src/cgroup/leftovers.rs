//! Clears away what a server that did not end properly left behind.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// How often to look whether killed processes are gone, and for how long in all (10 s).
const ATTEMPTS_MAX: usize = 2_000;
const PAUSE: Duration = Duration::from_millis(5);

/// Kills every process in the groups below `directories` and removes the directories. Says how many
/// groups there were.
pub(super) fn remove(directories: &[PathBuf]) -> io::Result<usize> {
    let mut groups = 0;
    for directory in directories {
        groups += inside(directory)?.len();
    }
    for attempt in 0..ATTEMPTS_MAX {
        let mut all_gone = true;
        for directory in directories {
            all_gone &= remove_once(directory)?;
        }
        if all_gone {
            return Ok(groups);
        }
        if attempt > 0 {
            thread::sleep(PAUSE);
        }
    }
    Err(io::Error::other(
        "processes of an earlier server do not end",
    ))
}

/// Kills and removes what can be removed now. Says whether all is gone.
fn remove_once(directory: &Path) -> io::Result<bool> {
    let mut all_gone = true;
    for group in inside(directory)? {
        kill_all(&group);
        all_gone &= remove_directory(&group)?;
    }
    Ok(all_gone && remove_directory(directory)?)
}

fn inside(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn kill_all(group: &Path) {
    let processes = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    // A zero is a process of a pid namespace outside our sight; it cannot be ours.
    for pid in processes
        .lines()
        .filter_map(|line| line.parse().ok())
        .filter_map(Pid::from_raw)
    {
        // One that ended meanwhile is what we want.
        let _ = kill_process(pid, Signal::KILL);
    }
    let state = group.join("freezer.state");
    if state.exists() {
        // Processes that the v1 freezer stopped die only when thawed.
        let _ = fs::write(state, "THAWED");
    }
}

fn remove_directory(directory: &Path) -> io::Result<bool> {
    match rustix::fs::rmdir(directory) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(true),
        Err(rustix::io::Errno::BUSY | rustix::io::Errno::NOTEMPTY) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
