//! The snapshots of a server: one for each version that starts from one.
//!
//! A snapshot lives in a directory of its own, as three files. Nothing runs for it, and memory that it
//! takes is the kernel's cache of files: what is not used is given up when memory is scarce. It is
//! good for as long as the zygote of its runtime lives; after that, and when it was given up, the
//! next instance is initialised and a new snapshot taken behind its back.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use kiln_sandbox::Snapshot;
use kiln_types::{FunctionId, RevisionId, Version};
use tokio::sync::mpsc;

use crate::spec::Spec;

/// What all snapshots together may take on disk; beyond it those go that were used longest ago.
const BYTES_MAX: u64 = 8 << 30;
/// What one may take.
pub(crate) const SNAPSHOT_BYTES_MAX: u64 = 2 << 30;

/// Which version a snapshot is of.
pub(crate) type Key = (FunctionId, Version, RevisionId);

/// One snapshot; its files go with the last reference.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) snapshot: Snapshot,
}

/// All snapshots.
#[derive(Debug)]
pub(crate) struct Snapshots {
    /// None where there are no snapshots.
    dir: Option<PathBuf>,
    numbers: AtomicU64,
    entries: Mutex<HashMap<Key, Entry>>,
    uses: AtomicU64,
    wanted: mpsc::UnboundedSender<Arc<Spec>>,
}

#[derive(Debug)]
enum Entry {
    Making,
    Taken {
        kept: Arc<Kept>,
        /// The number of its last use.
        used: u64,
    },
    /// This version cannot have one.
    Unfit,
}

impl Snapshots {
    /// Below this directory, which is emptied: what an earlier server left is of no use. Gives what
    /// is wanted from now on.
    pub(crate) fn new(dir: Option<PathBuf>) -> (Self, mpsc::UnboundedReceiver<Arc<Spec>>) {
        let dir = dir.filter(|_| kiln_sandbox::waiting_code().is_some());
        let prepared = dir.filter(|dir| {
            let made = match fs::remove_dir_all(dir) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                // Memory of functions: nobody else's.
                _ => fs::DirBuilder::new().recursive(true).mode(0o700).create(dir),
            };
            if let Err(error) = &made {
                tracing::warn!(dir = %dir.display(), %error, "there are no snapshots: their directory cannot be made");
            }
            made.is_ok()
        });
        let (wanted, queue) = mpsc::unbounded_channel();
        let snapshots = Self {
            dir: prepared,
            numbers: AtomicU64::new(0),
            entries: Mutex::default(),
            uses: AtomicU64::new(0),
            wanted,
        };
        (snapshots, queue)
    }

    /// A directory for a new snapshot, which is not made yet.
    pub(crate) fn new_dir(&self) -> Option<PathBuf> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        Some(self.dir.as_ref()?.join(number.to_string()))
    }

    /// The snapshot to start an instance from. Where there is none yet, one is wanted.
    pub(crate) fn get(&self, spec: &Arc<Spec>) -> Option<Arc<Kept>> {
        let key = spec.snapshot_key()?;
        self.dir.as_ref()?;
        match self.entries().get_mut(&key) {
            Some(Entry::Taken { kept, used }) => {
                *used = self.uses.fetch_add(1, Ordering::Relaxed);
                return Some(Arc::clone(kept));
            }
            Some(Entry::Making | Entry::Unfit) => return None,
            None => {}
        }
        // Nobody takes it when the server shuts down.
        let _ = self.wanted.send(Arc::clone(spec));
        None
    }

    /// Whether the caller is to take this one: nobody else is, or has.
    pub(crate) fn begin(&self, key: &Key) -> bool {
        let mut entries = self.entries();
        let is_new = !entries.contains_key(key);
        if is_new {
            entries.insert(key.clone(), Entry::Making);
        }
        is_new
    }

    /// It was taken, and others make room for it.
    pub(crate) fn put(&self, key: Key, snapshot: Snapshot) {
        let kept = Arc::new(Kept { snapshot });
        let used = self.uses.fetch_add(1, Ordering::Relaxed);
        let mut given_up = Vec::new();
        let mut entries = self.entries();
        entries.insert(key, Entry::Taken { kept, used });
        while total(&entries) > BYTES_MAX && entries.len() > 1 {
            let taken = entries.iter().filter_map(|(key, entry)| match entry {
                Entry::Taken { used, .. } => Some((*used, key)),
                Entry::Making | Entry::Unfit => None,
            });
            let Some((_, oldest)) = taken.min_by_key(|(used, _)| *used) else {
                break;
            };
            let oldest = oldest.clone();
            given_up.extend(entries.remove(&oldest));
        }
        drop(entries);
        drop(given_up);
    }

    /// This version cannot have one.
    pub(crate) fn is_unfit(&self, key: Key) {
        self.entries().insert(key, Entry::Unfit);
    }

    /// It was not taken, or is good for nothing any more.
    pub(crate) fn forget(&self, key: &Key) {
        let forgotten = self.entries().remove(key);
        drop(forgotten);
    }

    /// Gives up those of a function whose version is not wanted any more.
    pub(crate) fn retain(&self, id: &FunctionId, is_wanted: impl Fn(Version, RevisionId) -> bool) {
        let mut entries = self.entries();
        let is_gone = |key: &Key| key.0 == *id && !is_wanted(key.1, key.2);
        let gone: Vec<_> = entries.extract_if(|key, _| is_gone(key)).collect();
        // Files are removed without holding up who asks.
        drop(entries);
        drop(gone);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.entries.lock().expect("no holder panics")
    }
}

fn total(entries: &HashMap<Key, Entry>) -> u64 {
    let bytes = entries.values().map(|entry| match entry {
        Entry::Taken { kept, .. } => kept.snapshot.bytes,
        Entry::Making | Entry::Unfit => 0,
    });
    bytes.sum()
}

impl Drop for Kept {
    fn drop(&mut self) {
        // What cannot be removed now is at the next start.
        let _ = fs::remove_dir_all(&self.snapshot.dir);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::testing;

    fn spec() -> Arc<Spec> {
        let mut spec = testing::spec("python3.12");
        let configuration = Arc::make_mut(&mut spec.configuration);
        configuration.version = Version::Published(1);
        configuration.snap_start.on_publish = true;
        Arc::new(spec)
    }

    fn snapshot(dir: &Path, bytes: u64) -> Snapshot {
        fs::create_dir_all(dir).expect("the directory is ours");
        let dir = dir.to_owned();
        Snapshot { dir, bytes }
    }

    #[test]
    fn one_is_wanted_once_and_given_when_it_is_there() {
        let root = tempfile::tempdir().expect("a directory");
        let (snapshots, mut wanted) = Snapshots::new(Some(root.path().join("snapshots")));
        let spec = spec();
        let key = spec.snapshot_key().expect("it starts from one");
        assert!(snapshots.get(&spec).is_none());
        assert!(wanted.try_recv().is_ok());
        assert!(snapshots.begin(&key));
        assert!(!snapshots.begin(&key));
        assert!(snapshots.get(&spec).is_none());
        assert!(wanted.try_recv().is_err());
        let dir = snapshots.new_dir().expect("there are snapshots");
        snapshots.put(key.clone(), snapshot(&dir, 1));
        let kept = snapshots.get(&spec).expect("it was taken");
        assert_eq!(kept.snapshot.dir, dir);
        snapshots.forget(&key);
        assert!(dir.exists(), "an instance is being made of it");
        drop(kept);
        assert!(!dir.exists());
    }

    #[test]
    fn those_used_longest_ago_make_room() {
        let root = tempfile::tempdir().expect("a directory");
        let (snapshots, _wanted) = Snapshots::new(Some(root.path().join("snapshots")));
        let specs: Vec<_> = (0..3).map(|_| spec()).collect();
        for (number, spec) in specs.iter().enumerate() {
            if number == 2 {
                assert!(snapshots.get(&specs[0]).is_some());
            }
            let dir = snapshots.new_dir().expect("there are snapshots");
            let key = spec.snapshot_key().expect("it starts from one");
            snapshots.put(key, snapshot(&dir, BYTES_MAX / 2));
        }
        let is_there = |spec| snapshots.get(spec).is_some();
        assert_eq!(
            [0, 1, 2].map(|number| is_there(&specs[number])),
            [true, false, true]
        );
    }

    #[test]
    fn those_of_versions_that_are_gone_are_given_up() {
        let root = tempfile::tempdir().expect("a directory");
        let (snapshots, _wanted) = Snapshots::new(Some(root.path().join("snapshots")));
        let spec = spec();
        let key = spec.snapshot_key().expect("it starts from one");
        let dir = snapshots.new_dir().expect("there are snapshots");
        snapshots.put(key, snapshot(&dir, 1));
        snapshots.retain(&spec.id, |version, _| version == Version::Published(1));
        assert!(dir.exists());
        snapshots.retain(&spec.id, |_, _| false);
        assert!(!dir.exists());
    }
}
