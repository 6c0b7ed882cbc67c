//! The snapshots of a server: one for each version that starts from one.
//!
//! A snapshot lives in a directory of its own, as three files. Nothing runs for it, and memory that it
//! takes is the kernel's cache of files: what is not used is given up when memory is scarce. It is
//! good for as long as the zygote of its runtime lives; after that, and when it was given up, the
//! next instance is initialised and a new snapshot taken behind its back.
//!
//! ```text
//!           begin, get           put
//!  ┌► Missing ───────► Making ───────► Taken ── an instance could not be made of it, ──┐
//!  │                    │  │                    or others need the room                │
//!  │      was not taken │  └─ cannot be ─► Unfit ◄─┐                                   │
//!  └────────────────────┴───────────────────────────┴─ FAILURES_MAX times in a row ─────┘
//! ```
//! A version that is deleted has no entry any more, whatever is done for it meanwhile.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use kiln_sandbox::Snapshot;
use kiln_types::{FunctionId, RevisionId, Version};
use tokio::runtime::Handle;
use tokio::sync::{broadcast, mpsc};
use tokio_util::task::TaskTracker;

use crate::spec::Spec;

/// What all snapshots together may take on disk; beyond it those go that were used longest ago.
const BYTES_MAX: u64 = 8 << 30;
/// What one may take, and what is kept free for each while it is taken.
pub(crate) const SNAPSHOT_BYTES_MAX: u64 = 2 << 30;
/// How many snapshots in a row of one version may be of no use, because they cannot be taken or no
/// instance can be made of them. Beyond it the version is initialised for each instance, until the
/// server starts again: taking one costs a processor as long as an init does.
const FAILURES_MAX: u32 = 3;

/// News that may wait to be heard; who misses some hears the next, and versions are shown with a
/// snapshot that they have not, or the other way round.
const NEWS_MAX: usize = 1024;

/// Which version a snapshot is of.
pub(crate) type Key = (FunctionId, Version, RevisionId);

/// One snapshot; its files go with the last reference.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) snapshot: Snapshot,
    /// For who removes it.
    tracker: TaskTracker,
}

/// All snapshots.
#[derive(Debug)]
pub(crate) struct Snapshots {
    /// None where there are no snapshots.
    dir: Option<PathBuf>,
    numbers: AtomicU64,
    entries: Mutex<HashMap<Key, Entry>>,
    uses: AtomicU64,
    tracker: TaskTracker,
    wanted: mpsc::UnboundedSender<Arc<Spec>>,
    news: broadcast::Sender<SnapshotNews>,
}

/// What is known of a version.
#[derive(Debug, Default)]
struct Entry {
    state: State,
    /// Snapshots in a row that were of no use.
    failures: u32,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Missing,
    Making {
        /// What is kept free for it.
        bytes: u64,
    },
    Taken {
        kept: Arc<Kept>,
        /// The number of its last use.
        used: u64,
    },
    /// This version cannot have one.
    Unfit,
}

/// A version has a snapshot, or has none any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotNews {
    /// The function.
    pub function: FunctionId,
    /// Its version.
    pub version: Version,
    /// Which of that name.
    pub revision: RevisionId,
    /// Whether it has one.
    pub is_taken: bool,
}

/// What follows from a snapshot that was of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another is taken when it is asked for.
    Another,
    /// The version has none from now on.
    NoMore,
    /// The snapshot was not the version's any more: nothing follows.
    Nothing,
}

impl Snapshots {
    /// Below this directory, which is emptied: what an earlier server left is of no use. Gives what
    /// is wanted from now on.
    pub(crate) fn new(
        dir: Option<PathBuf>,
        tracker: TaskTracker,
    ) -> (Self, mpsc::UnboundedReceiver<Arc<Spec>>) {
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
            tracker,
            wanted,
            news: broadcast::Sender::new(NEWS_MAX),
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
        let mut entries = self.entries();
        let state = &mut entries.entry(key).or_default().state;
        match state {
            State::Taken { kept, used } => {
                *used = self.uses.fetch_add(1, Ordering::Relaxed);
                return Some(Arc::clone(kept));
            }
            State::Making { .. } | State::Unfit => return None,
            State::Missing => *state = State::Making { bytes: 0 },
        }
        drop(entries);
        // Nobody takes it when the server shuts down.
        let _ = self.wanted.send(Arc::clone(spec));
        None
    }

    /// Whether the caller is to take this one: nobody else is, or has.
    pub(crate) fn begin(&self, key: &Key) -> bool {
        let mut entries = self.entries();
        let state = &mut entries.entry(key.clone()).or_default().state;
        let is_missing = matches!(state, State::Missing);
        if is_missing {
            *state = State::Making { bytes: 0 };
        }
        is_missing
    }

    /// Others make room for the one that is taken now. Says whether it is wanted still.
    pub(crate) fn make_room(&self, key: &Key) -> bool {
        let mut entries = self.entries();
        let Some(State::Making { bytes }) = entries.get_mut(key).map(|entry| &mut entry.state)
        else {
            return false;
        };
        *bytes = SNAPSHOT_BYTES_MAX;
        let given_up = shrink(&mut entries, key);
        drop(entries);
        drop(given_up);
        true
    }

    /// It was taken, and others make room for it. Its files go when it is not wanted any more.
    pub(crate) fn put(&self, key: &Key, snapshot: Snapshot) {
        let tracker = self.tracker.clone();
        let kept = Arc::new(Kept { snapshot, tracker });
        let used = self.uses.fetch_add(1, Ordering::Relaxed);
        let mut entries = self.entries();
        let Some(state) = making(&mut entries, key) else {
            drop(entries);
            return drop(kept);
        };
        *state = State::Taken { kept, used };
        let given_up = shrink(&mut entries, key);
        drop(entries);
        drop(given_up);
    }

    /// This version cannot have one.
    pub(crate) fn is_unfit(&self, key: &Key) {
        if let Some(state) = making(&mut self.entries(), key) {
            *state = State::Unfit;
        }
    }

    /// It was not taken, for a reason that may pass.
    pub(crate) fn was_not_taken(&self, key: &Key) -> Next {
        let mut entries = self.entries();
        match entries.get_mut(key) {
            Some(entry) if matches!(entry.state, State::Making { .. }) => entry.fail(),
            _ => Next::Nothing,
        }
    }

    /// No instance could be made of it: it is good for nobody.
    pub(crate) fn is_broken(&self, key: &Key, broken: &Arc<Kept>) -> Next {
        let mut entries = self.entries();
        match entries.get_mut(key) {
            // One that was taken since may be better.
            Some(entry) if entry.is_of(broken) => entry.fail(),
            _ => Next::Nothing,
        }
    }

    /// An instance was made of it.
    pub(crate) fn is_good(&self, key: &Key) {
        if let Some(entry) = self.entries().get_mut(key) {
            entry.failures = 0;
        }
    }

    /// Nothing is kept of a version that is gone.
    pub(crate) fn forget(&self, key: &Key) {
        let gone = self.entries().remove(key);
        drop(gone);
    }

    /// Hears from now on of what changes behind the back of whoever publishes.
    pub(crate) fn news(&self) -> broadcast::Receiver<SnapshotNews> {
        self.news.subscribe()
    }

    /// Tells of a change.
    pub(crate) fn tell(&self, (function, version, revision): Key, is_taken: bool) {
        // Nobody may listen.
        let _ = self.news.send(SnapshotNews {
            function,
            version,
            revision,
            is_taken,
        });
    }

    /// Gives up those of a function whose version is not wanted any more.
    pub(crate) fn retain(&self, id: &FunctionId, is_wanted: impl Fn(Version, RevisionId) -> bool) {
        let mut entries = self.entries();
        let is_gone = |key: &Key| key.0 == *id && !is_wanted(key.1, key.2);
        let gone: Vec<_> = entries.extract_if(|key, _| is_gone(key)).collect();
        drop(entries);
        drop(gone);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.entries.lock().expect("no holder panics")
    }
}

impl Entry {
    /// The snapshot of its state, if any, is given up. Whoever makes an instance of it has it still.
    fn fail(&mut self) -> Next {
        self.failures += 1;
        let (state, next) = match self.failures < FAILURES_MAX {
            true => (State::Missing, Next::Another),
            false => (State::Unfit, Next::NoMore),
        };
        self.state = state;
        next
    }

    fn is_of(&self, snapshot: &Arc<Kept>) -> bool {
        matches!(&self.state, State::Taken { kept, .. } if Arc::ptr_eq(kept, snapshot))
    }

    fn bytes(&self) -> u64 {
        match &self.state {
            State::Taken { kept, .. } => kept.snapshot.bytes,
            State::Making { bytes } => *bytes,
            State::Missing | State::Unfit => 0,
        }
    }
}

/// The state of a version whose snapshot is being taken, and that was not deleted meanwhile.
fn making<'a>(entries: &'a mut HashMap<Key, Entry>, key: &Key) -> Option<&'a mut State> {
    let state = &mut entries.get_mut(key)?.state;
    matches!(state, State::Making { .. }).then_some(state)
}

/// Takes out those used longest ago until all fit, but for one.
fn shrink(entries: &mut HashMap<Key, Entry>, but: &Key) -> Vec<State> {
    let mut given_up = Vec::new();
    while entries.values().map(Entry::bytes).sum::<u64>() > BYTES_MAX {
        let taken = entries
            .iter_mut()
            .filter(|(key, _)| *key != but)
            .filter_map(|(_, entry)| match entry.state {
                State::Taken { used, .. } => Some((used, &mut entry.state)),
                _ => None,
            });
        let Some((_, oldest)) = taken.min_by_key(|(used, _)| *used) else {
            break;
        };
        given_up.push(std::mem::take(oldest));
    }
    given_up
}

impl Drop for Kept {
    fn drop(&mut self) {
        let dir = std::mem::take(&mut self.snapshot.dir);
        // What cannot be removed now is at the next start.
        let remove = move || drop(fs::remove_dir_all(dir));
        // Gigabytes take the disk a while, and who drops the last reference serves others.
        match Handle::try_current() {
            Ok(runtime) => drop(self.tracker.spawn_blocking_on(remove, &runtime)),
            Err(_) => remove(),
        }
    }
}

#[cfg(test)]
mod tests;
