//! Packages, as their uploaders zip them.

use std::fs;
use std::path::{Component, Path};

use bytes::Bytes;

use super::Quota;
use super::unpack::unpack;
use crate::fuzzing::{check_alone, walk};

const BYTES_MAX: u64 = 256 * 1024;

/// A zip: nothing is outside its directory, no link leads out of it, and its bytes are as many as may be.
pub fn zip(data: &[u8], root: &Path) {
    let quota = Quota {
        unzipped_bytes_max: BYTES_MAX,
        entries_max: 100,
        ..Quota::default()
    };
    let dir = root.join("package");
    if let Ok(unpacked) = unpack(&Bytes::copy_from_slice(data), &dir, &quota) {
        assert!(unpacked.bytes <= BYTES_MAX, "it is too large");
        for path in &unpacked.paths {
            assert!(path.starts_with(&dir), "{}", path.display());
        }
        check_links(&dir, &dir.canonicalize().expect("it was made"));
    }
    check_alone(&["package"], root);
    if dir.exists() {
        assert!(walk(&dir) <= BYTES_MAX, "more was written than may be");
        fs::remove_dir_all(&dir).expect("it can be removed");
    }
}

fn check_links(dir: &Path, top: &Path) {
    for entry in fs::read_dir(dir).expect("it is there") {
        let path = entry.expect("it can be listed").path();
        let about = path.symlink_metadata().expect("it is there");
        if about.is_dir() {
            check_links(&path, top);
        } else if about.is_symlink() {
            let target = fs::read_link(&path).expect("it is a link");
            let is_absolute = target.components().any(|step| step == Component::RootDir);
            assert!(!is_absolute, "{} leads anywhere", path.display());
            if let Ok(place) = path.canonicalize() {
                assert!(place.starts_with(top), "{} leads out", path.display());
            }
        }
    }
}
