//! Whether the files changed: told by what the file system says of them, as links that lead to new files, directories that are
//! replaced whole and files that are written anew all show there.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::TlsFiles;

/// What the file system says of both files; a file that is not there says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp([Option<FileStamp>; 2]);

#[derive(Debug, Clone, PartialEq, Eq)]
struct FileStamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Remembers what was read last and what was seen last.
#[derive(Debug)]
pub(super) struct Watch {
    read: Stamp,
    seen: Stamp,
}

impl Stamp {
    pub(super) fn of(files: &TlsFiles) -> Self {
        Self([FileStamp::of(&files.certificate), FileStamp::of(&files.key)])
    }
}

impl FileStamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

impl Watch {
    /// Begins with what was read at the start.
    pub(super) fn new(read: Stamp) -> Self {
        Self {
            seen: read.clone(),
            read,
        }
    }

    /// Whether the files are to be read: at once when told; else when they differ from what was read last and did not change
    /// between two looks, since certificate and key are replaced one after the other. What was read in vain is not read again
    /// until it changes or somebody tells.
    pub(super) fn wants_reading(&mut self, now: Stamp, is_told: bool) -> bool {
        let is_at_rest = self.seen == now;
        self.seen = now.clone();
        let wants = is_told || (is_at_rest && now != self.read);
        if wants {
            self.read = now;
        }
        wants
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(certificate: u64, key: u64) -> Stamp {
        let file = |inode| FileStamp {
            device: 1,
            inode,
            bytes: 1,
            modified: (0, 0),
            changed: (0, 0),
        };
        Stamp([Some(file(certificate)), Some(file(key))])
    }

    #[test]
    fn files_are_read_once_when_they_changed_and_are_at_rest() {
        let mut watch = Watch::new(stamp(1, 1));
        let looks = [
            (stamp(1, 1), false),
            (stamp(2, 1), false),
            (stamp(2, 2), false),
            (stamp(2, 2), true),
            (stamp(2, 2), false),
        ];
        for (step, (now, wants)) in looks.into_iter().enumerate() {
            assert_eq!(watch.wants_reading(now, false), wants, "{step}");
        }
    }

    #[test]
    fn files_are_read_at_once_when_told_and_then_not_again() {
        let mut watch = Watch::new(stamp(1, 1));
        assert!(watch.wants_reading(stamp(2, 2), true));
        assert!(!watch.wants_reading(stamp(2, 2), false));
        assert!(watch.wants_reading(stamp(2, 2), true));
    }

    #[test]
    fn files_that_went_and_came_back_unchanged_are_not_read() {
        let mut watch = Watch::new(stamp(1, 1));
        assert!(!watch.wants_reading(Stamp([None, None]), false));
        assert!(!watch.wants_reading(stamp(1, 1), false));
        assert!(!watch.wants_reading(stamp(1, 1), false));
    }
}
