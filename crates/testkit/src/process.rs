//! What the kernel knows about a server and its sandboxes: for tests that nothing leaks, and for
//! measurements of memory.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A process by its id and its start, so that a reused id is another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Process {
    /// The process id.
    pub pid: u32,
    start: u64,
    parent: u32,
}

impl Process {
    /// The process with this id, when there is one.
    pub fn find(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything, so count from its end.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let is_gone = matches!(fields[0], "Z" | "X");
        let process = Self {
            pid,
            parent: fields[1].parse().ok()?,
            start: fields[19].parse().ok()?,
        };
        (!is_gone).then_some(process)
    }

    /// Whether it still runs.
    pub fn is_alive(self) -> bool {
        Self::find(self.pid).is_some_and(|now| now.start == self.start)
    }

    /// All processes below it, however deep.
    pub fn descendants(self) -> Vec<Process> {
        let all: Vec<Process> = all();
        let mut found = Vec::new();
        let mut parents = BTreeSet::from([self.pid]);
        loop {
            let before = found.len();
            for process in &all {
                if parents.contains(&process.parent) && parents.insert(process.pid) {
                    found.push(*process);
                }
            }
            if found.len() == before {
                return found;
            }
        }
    }

    /// Its real user id.
    pub fn uid(self) -> Option<u32> {
        self.status("Uid:")
            .and_then(|value| value.split_whitespace().next()?.parse().ok())
    }

    /// Resident memory, in bytes.
    pub fn resident_bytes(self) -> u64 {
        self.status("VmRSS:").map_or(0, |value| kibibytes(&value))
    }

    /// Memory that only this process maps, in bytes; `None` when it is gone.
    pub fn private_bytes(self) -> Option<u64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid)).ok()?;
        let lines = rollup.lines().filter(|line| line.starts_with("Private_"));
        Some(
            lines
                .filter_map(|line| line.split_once(':'))
                .map(|(_, kib)| kibibytes(kib))
                .sum(),
        )
    }

    /// Processor time it used, in steps of 10 ms.
    pub fn cpu(self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        let Some((_, rest)) = stat.rsplit_once(") ") else {
            return Duration::ZERO;
        };
        let ticks: u64 = rest
            .split(' ')
            .skip(11)
            .take(2)
            .filter_map(|t| t.parse::<u64>().ok())
            .sum();
        Duration::from_millis(ticks * 10)
    }

    /// The folders of its control groups, in every hierarchy, but for the roots.
    pub fn control_groups(self) -> Vec<PathBuf> {
        let text = fs::read_to_string(format!("/proc/{}/cgroup", self.pid)).unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        text.lines()
            .filter_map(|line| {
                let mut parts = line.splitn(3, ':').skip(1);
                let (controllers, path) = (parts.next()?, parts.next()?);
                let mount = mount_of(&mounts, controllers)?;
                (path != "/").then(|| mount.join(path.trim_start_matches('/')))
            })
            .collect()
    }

    fn status(self, name: &str) -> Option<String> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .map(str::to_owned)
    }
}

/// All processes that this one can see.
pub fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(Process::find)
        .collect()
}

/// The mounts of this machine whose source or target is in a folder.
pub fn mounts_in(folder: &Path) -> Vec<String> {
    let folder = folder.to_string_lossy();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mounts
        .lines()
        .filter(|line| line.contains(folder.as_ref()))
        .map(str::to_owned)
        .collect()
}

/// Where the hierarchy with these controllers is mounted; none at all is version 2.
fn mount_of(mounts: &str, controllers: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let (kind, options) = (right.next()?, right.nth(1)?);
        let is_it = match controllers {
            "" => kind == "cgroup2",
            _ => {
                kind == "cgroup"
                    && controllers
                        .split(',')
                        .all(|c| options.split(',').any(|o| o == c))
            }
        };
        is_it.then(|| PathBuf::from(left.split(' ').nth(4).unwrap_or_default()))
    })
}

fn kibibytes(value: &str) -> u64 {
    value
        .trim()
        .trim_end_matches(" kB")
        .trim()
        .parse::<u64>()
        .unwrap_or(0)
        * 1_024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_sees_itself_alive_with_memory_of_its_own() {
        let me = Process::find(std::process::id()).unwrap();
        assert!(me.is_alive());
        assert!(me.private_bytes().unwrap() > 0);
        assert!(me.resident_bytes() >= me.private_bytes().unwrap() / 2);
    }

    #[test]
    fn a_child_is_a_descendant_until_it_is_gone() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let process = Process::find(child.id()).unwrap();
        assert!(
            Process::find(std::process::id())
                .unwrap()
                .descendants()
                .contains(&process)
        );
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!process.is_alive());
    }

    #[test]
    fn control_group_mounts_are_found_for_both_versions() {
        let mounts = "31 25 0:27 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory\n\
                      32 25 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        assert_eq!(
            mount_of(mounts, "memory"),
            Some("/sys/fs/cgroup/memory".into())
        );
        assert_eq!(mount_of(mounts, ""), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(mount_of(mounts, "cpu"), None);
    }
}
