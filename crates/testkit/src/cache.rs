//! What is slow to make and the same for every test: made once, under a lock, then only read.
//!
//! The folder is `KILN_CACHE`, or `kiln-cache` in cargo's target folder.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};

use crate::programs;

/// The folder `name` of the cache; `make` fills it when it is not there yet.
///
/// Other test processes wait meanwhile. A folder appears under its name only when complete.
pub fn once(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let root = root();
    let folder = root.join(name);
    if folder.exists() {
        return folder;
    }
    fs::create_dir_all(&root).expect("the cache folder can be made");
    let lock = File::create(root.join(format!("{name}.lock"))).expect("the lock can be made");
    lock.lock().expect("the lock can be taken");
    if !folder.exists() {
        let partial = root.join(format!("{name}.partial"));
        let _ = fs::remove_dir_all(&partial);
        fs::create_dir_all(&partial).expect("the cache folder can be made");
        make(&partial);
        fs::rename(&partial, &folder).expect("the folder can take its name");
    }
    folder
}

/// A short name for the content of some folders: it changes when a file in them does, but for tests.
pub fn fingerprint(folders: &[&Path]) -> String {
    let mut hasher = DefaultHasher::new();
    for folder in folders {
        hash_folder(folder, &mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

fn hash_folder(folder: &Path, hasher: &mut DefaultHasher) {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() {
            if name != "__pycache__" && name != "tests" {
                hash_folder(&path, hasher);
            }
        } else if let Ok(content) = fs::read(&path) {
            hasher.write(name.as_encoded_bytes());
            hasher.write(&content);
        }
    }
}

fn root() -> PathBuf {
    match std::env::var_os("KILN_CACHE") {
        Some(path) => path.into(),
        None => programs::target_folder().join("kiln-cache"),
    }
}
