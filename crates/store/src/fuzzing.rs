//! What `fuzz/` gives bytes to: archives of strangers, unpacked into a directory that is empty before. It panics where
//! something is written elsewhere.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

pub use crate::artifacts::fuzzing::zip;
pub use crate::images::fuzzing::layer;

/// Panics unless only these names are in a directory.
pub(crate) fn check_alone(names: &[&str], dir: &Path) {
    for entry in fs::read_dir(dir).expect("it is there") {
        let name = entry.expect("it can be listed").file_name();
        let is_known = names.iter().any(|known| name == *known);
        assert!(is_known, "{name:?} was written beside the package");
    }
}

/// Panics where a directory holds more than files, directories and links; bytes of the files.
pub(crate) fn walk(dir: &Path) -> u64 {
    let mut bytes = 0;
    for entry in fs::read_dir(dir).expect("it is there") {
        let entry = entry.expect("it can be listed");
        let about = entry.path().symlink_metadata().expect("it is there");
        assert_eq!(
            about.mode() & 0o7000,
            0,
            "{:?} has a special mode",
            entry.path()
        );
        if about.is_dir() {
            bytes += walk(&entry.path());
        } else if about.is_file() {
            bytes += about.len();
        }
    }
    bytes
}
