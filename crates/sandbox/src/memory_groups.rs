//! The memory limits around this process: those of a container, or of a service.
//!
//! The kernel's figures for the machine say nothing of them. They are those of the control group that
//! the process is in and of those around it, as far up as they are mounted.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cgroup::mounts::{self, Kind, Mounted};

/// The names of what we read, which differ between the two interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Names {
    limit: &'static str,
    usage: &'static str,
    /// Lines of `memory.stat`: pages of files, which the kernel takes back when it needs them.
    cache: [&'static str; 2],
}

const V1: Names = Names {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    cache: ["total_inactive_file ", "total_active_file "],
};
const V2: Names = Names {
    limit: "memory.max",
    usage: "memory.current",
    cache: ["inactive_file ", "active_file "],
};

/// One control group that counts memory, whether or not it limits it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryGroup {
    dir: PathBuf,
    names: Names,
}

/// What a group allows, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// What all its processes may have together.
    pub limit: u64,
    /// What of that is left, caches counted as free.
    pub available: u64,
}

impl MemoryGroup {
    /// The groups of this process, the innermost first. None where groups cannot be read: then
    /// the machine's figures are all there is.
    pub fn of_this_process() -> Vec<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self::find(&own, &mounts::read().unwrap_or_default())
    }

    fn find(cgroup: &str, mounted: &[Mounted]) -> Vec<Self> {
        let mut groups = Vec::new();
        for line in cgroup.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
                continue;
            };
            let names = match controllers {
                "" => V2,
                v1 if v1.split(',').any(|name| name == "memory") => V1,
                _ => continue,
            };
            let counts = |mounted: &&Mounted| match names == V2 {
                true => mounted.kind == Kind::V2,
                false => mounted.has_in_v1("memory"),
            };
            if let Some(mounted) = mounted.iter().find(counts) {
                let dirs = mounted.directories(path).into_iter();
                groups.extend(dirs.map(|dir| Self { dir, names }));
            }
        }
        groups
    }

    /// Where its files are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// None when the group sets no limit.
    pub fn allowance(&self) -> Option<Allowance> {
        let number = |name| -> Option<u64> {
            let text = fs::read_to_string(self.dir.join(name)).ok()?;
            text.trim().parse().ok()
        };
        let limit = number(self.names.limit)?;
        let used = number(self.names.usage)?;
        let stat = fs::read_to_string(self.dir.join("memory.stat")).unwrap_or_default();
        let cache: u64 = stat
            .lines()
            .filter_map(|line| {
                let value = self.names.cache.iter().find_map(|n| line.strip_prefix(n))?;
                value.parse::<u64>().ok()
            })
            .sum();
        Some(Allowance {
            limit,
            available: limit.saturating_sub(used.saturating_sub(cache)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
        36 31 0:33 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n";

    fn dirs(cgroup: &str, mountinfo: &str) -> Vec<String> {
        let groups = MemoryGroup::find(cgroup, &mounts::parse(mountinfo));
        let shown = |group: &MemoryGroup| group.dir.to_string_lossy().into_owned();
        groups.iter().map(shown).collect()
    }

    #[test]
    fn groups_are_found_with_those_around_them_in_both_interfaces() {
        assert_eq!(
            dirs("5:devices:/\n4:memory:/a/b\n0::/c\n", MOUNTS),
            [
                "/sys/fs/cgroup/memory/a/b",
                "/sys/fs/cgroup/memory/a",
                "/sys/fs/cgroup/memory",
                "/sys/fs/cgroup/unified/c",
                "/sys/fs/cgroup/unified",
            ]
        );
    }

    #[test]
    fn a_containers_mount_is_its_group() {
        let mounts = "9 8 0:3 /docker/1 /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        assert_eq!(dirs("0::/docker/1\n", mounts), ["/sys/fs/cgroup"]);
        assert_eq!(dirs("0::/../elsewhere\n", mounts), ["/sys/fs/cgroup"]);
        assert_eq!(dirs("0::/\n", mounts), ["/sys/fs/cgroup"]);
        assert_eq!(dirs("0::/\n", "").len(), 0);
    }

    #[test]
    fn what_is_available_counts_caches_as_free_in_both_interfaces() {
        let v1 = [
            ("memory.limit_in_bytes", "1000\n"),
            ("memory.usage_in_bytes", "900\n"),
            (
                "memory.stat",
                "active_file 7\ntotal_inactive_file 200\ntotal_active_file 100\n",
            ),
        ];
        let v2 = [
            ("memory.max", "1000\n"),
            ("memory.current", "900\n"),
            (
                "memory.stat",
                "anon 600\ninactive_file 200\nactive_file 100\n",
            ),
        ];
        for (names, files) in [(V1, v1), (V2, v2)] {
            let dir = tempfile::tempdir().expect("the directory is ours");
            for (name, text) in files {
                fs::write(dir.path().join(name), text).expect("the directory is ours");
            }
            let group = MemoryGroup {
                dir: dir.path().to_owned(),
                names,
            };
            let expected = Allowance {
                limit: 1_000,
                available: 400,
            };
            assert_eq!(group.allowance(), Some(expected));
        }
    }

    #[test]
    fn a_group_without_a_limit_allows_everything() {
        let dir = tempfile::tempdir().expect("the directory is ours");
        let group = MemoryGroup {
            dir: dir.path().to_owned(),
            names: V2,
        };
        assert_eq!(group.allowance(), None);
        fs::write(dir.path().join("memory.max"), "max\n").expect("the directory is ours");
        fs::write(dir.path().join("memory.current"), "1\n").expect("the directory is ours");
        assert_eq!(group.allowance(), None);
    }
}
