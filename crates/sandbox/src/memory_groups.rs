//! The memory limits around the server: those of a container, or of a service.
//!
//! The kernel's figures for the machine say nothing of them. The server looks at the control group
//! it is in and at those around it, as far up as they are mounted.

use std::fs;
use std::path::{Path, PathBuf};

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
pub(super) struct Group {
    pub(super) dir: PathBuf,
    names: Names,
}

/// What a group allows, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowance {
    pub(super) limit: u64,
    pub(super) available: u64,
}

impl Group {
    /// The groups of this process, the innermost first. None where groups cannot be read: then
    /// the machine's figures are all there is.
    pub(super) fn of_this_process() -> Vec<Self> {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self::parse(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"))
    }

    fn parse(cgroup: &str, mountinfo: &str) -> Vec<Self> {
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
            let mount = mountinfo.lines().find_map(|line| memory_mount(line, names));
            if let Some((root, mount)) = mount {
                groups.extend(around(root, mount, path).map(|dir| Self { dir, names }));
            }
        }
        groups
    }

    /// None when the group sets no limit.
    pub(super) fn allowance(&self) -> Option<Allowance> {
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

/// The root and the mount point of the tree in a line of mountinfo, when it is the one we look for.
fn memory_mount(line: &str, names: Names) -> Option<(&str, &str)> {
    let (mount, tree) = line.split_once(" - ")?;
    let mut mount = mount.split(' ').skip(3);
    let (root, point) = (mount.next()?, mount.next()?);
    let mut tree = tree.split(' ');
    let (fs_type, options) = (tree.next()?, tree.nth(1)?);
    let found = match names == V2 {
        true => fs_type == "cgroup2",
        false => fs_type == "cgroup" && options.split(',').any(|name| name == "memory"),
    };
    found.then_some((root, point))
}

/// The directory of a group, and those around it up to the mount. A group that the mount does not
/// show, as in a container with a namespace of its own, is the mount itself.
fn around<'a>(root: &str, mount: &'a str, path: &str) -> impl Iterator<Item = PathBuf> + use<'a> {
    let below = Path::new(path).strip_prefix(root).unwrap_or(Path::new(""));
    let is_shown = below.components().all(|part| part.as_os_str() != "..");
    let mount = Path::new(mount);
    let innermost = match is_shown {
        true => mount.join(below),
        false => mount.to_owned(),
    };
    let dirs: Vec<_> = innermost
        .ancestors()
        .take_while(|dir| dir.starts_with(mount))
        // Joining nothing leaves a slash at the end, of which the path's parts know nothing.
        .map(|dir| dir.components().collect())
        .collect();
    dirs.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
        36 31 0:33 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n";

    fn dirs(cgroup: &str, mountinfo: &str) -> Vec<String> {
        let groups = Group::parse(cgroup, mountinfo);
        let shown = |group: &Group| group.dir.to_string_lossy().into_owned();
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
            let dir = tempfile::tempdir().unwrap();
            for (name, text) in files {
                fs::write(dir.path().join(name), text).unwrap();
            }
            let group = Group {
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
        let dir = tempfile::tempdir().unwrap();
        let group = Group {
            dir: dir.path().to_owned(),
            names: V2,
        };
        assert_eq!(group.allowance(), None);
        fs::write(dir.path().join("memory.max"), "max\n").unwrap();
        fs::write(dir.path().join("memory.current"), "1\n").unwrap();
        assert_eq!(group.allowance(), None);
    }
}
