//! Where the trees of control groups are mounted, as `/proc/self/mountinfo` says (proc(5)).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// One tree that is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mounted {
    /// The group that the mount point shows.
    pub root: PathBuf,
    /// Where.
    pub point: PathBuf,
    pub kind: Kind,
}

/// Of which interface it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Version 1, with these controllers among its options.
    V1(Vec<String>),
    V2,
}

impl Mounted {
    /// Whether it is the tree of version 1 that has a controller.
    pub fn has_in_v1(&self, controller: &str) -> bool {
        match &self.kind {
            Kind::V1(controllers) => controllers.iter().any(|name| name == controller),
            Kind::V2 => false,
        }
    }

    /// The directory of a group, and those around it up to the mount point. A group that the mount does
    /// not show, as in a container with a namespace of its own, is the mount point itself.
    pub fn directories(&self, path: &str) -> Vec<PathBuf> {
        let below = Path::new(path).strip_prefix(&self.root);
        let below = below.unwrap_or(Path::new(""));
        let is_shown = below.components().all(|part| part.as_os_str() != "..");
        let mount = self.point.as_path();
        let innermost = match is_shown {
            true => mount.join(below),
            false => mount.to_owned(),
        };
        innermost
            .ancestors()
            .take_while(|dir| dir.starts_with(mount))
            // Joining nothing leaves a slash at the end, of which the path's parts know nothing.
            .map(|dir| dir.components().collect())
            .collect()
    }
}

/// What this process sees.
pub(crate) fn read() -> io::Result<Vec<Mounted>> {
    fs::read_to_string("/proc/self/mountinfo").map(|text| parse(&text))
}

pub(crate) fn parse(mountinfo: &str) -> Vec<Mounted> {
    mountinfo.lines().filter_map(mounted).collect()
}

fn mounted(line: &str) -> Option<Mounted> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(3);
    let (root, point) = (left.next()?, left.next()?);
    let mut right = right.split(' ');
    let (fs_type, options) = (right.next()?, right.nth(1)?);
    let kind = match fs_type {
        "cgroup" => Kind::V1(options.split(',').map(str::to_owned).collect()),
        "cgroup2" => Kind::V2,
        _ => return None,
    };
    Some(Mounted {
        root: unescape(root).into(),
        point: unescape(point).into(),
        kind,
    })
}

/// mountinfo writes blanks, tabs, newlines and backslashes as three octal digits.
fn unescape(text: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_read_with_what_they_show_and_other_mounts_are_not() {
        let text = "\
            22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
            35 31 0:32 /a\\040b /c\\040d rw shared:4 master:1 - cgroup cgroup rw,cpu,cpuacct\n\
            30 22 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n\
            not a line\n";
        let mounted = |root: &str, point: &str, kind| Mounted {
            root: root.into(),
            point: point.into(),
            kind,
        };
        let options = ["rw", "cpu", "cpuacct"].map(str::to_owned).to_vec();
        let expected = [
            mounted("/a b", "/c d", Kind::V1(options)),
            mounted("/", "/sys/fs/cgroup", Kind::V2),
        ];
        assert_eq!(parse(text), expected);
        assert!(expected[0].has_in_v1("cpuacct"));
        assert!(!expected[0].has_in_v1("cp"));
        assert!(!expected[1].has_in_v1("cpuacct"));
    }
}
