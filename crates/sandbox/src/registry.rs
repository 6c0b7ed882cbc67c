//! Every sandbox that exists, from before its processes are made until the last trace is removed.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::error::Error;
use crate::sandbox::Exit;

/// How long a new sandbox waits for the uid of one that is being torn down; then it fails with
/// [`Error::Full`].
const TEARDOWN_MAX: Duration = Duration::from_secs(10);

/// Knows ids, uids and ends.
#[derive(Debug)]
pub(crate) struct Registry {
    uid_base: u32,
    alive_max: usize,
    state: Mutex<State>,
    /// Counts the sandboxes that exist, for whoever waits until there are none.
    live: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<u64, Entry>,
    id_last: u64,
    /// Uids that nothing runs as, the longest unused first.
    free: VecDeque<u32>,
    slots: u32,
    /// Sandboxes that nobody has killed.
    alive: usize,
    torn_down: u64,
}

#[derive(Debug)]
struct Entry {
    slot: u32,
    exit: watch::Sender<Option<Exit>>,
    /// In the host's pid namespace, where a zygote made it.
    main: Option<i32>,
    is_alive: bool,
    is_leased: bool,
}

/// What a new sandbox is called and runs as.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub id: u64,
    pub uid: u32,
    pub exit: watch::Receiver<Option<Exit>>,
}

/// Numbers for statistics.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub live: usize,
    pub leased: usize,
    pub made: u64,
    pub torn_down: u64,
}

impl Registry {
    pub fn new(uid_base: u32, alive_max: usize) -> Self {
        let live = watch::Sender::new(0);
        Self {
            uid_base,
            alive_max,
            state: Mutex::default(),
            live,
        }
    }

    /// Whether another sandbox may be made.
    pub fn has_room(&self) -> bool {
        self.state().alive < self.alive_max
    }

    /// Registers a sandbox that is about to be made. There are only as many uids as sandboxes: while
    /// killed ones still have theirs, waits for one that is free.
    pub async fn admit(&self) -> Result<Admitted, Error> {
        let mut live = self.live.subscribe();
        let waiting = async {
            loop {
                live.mark_unchanged();
                if let Some(admitted) = self.try_admit()? {
                    return Ok(admitted);
                }
                live.changed().await.map_err(|_| Error::ShutDown)?;
            }
        };
        let waited = timeout(TEARDOWN_MAX, waiting).await;
        waited.unwrap_or(Err(Error::Full(self.alive_max)))
    }

    fn try_admit(&self) -> Result<Option<Admitted>, Error> {
        let mut state = self.state();
        if state.alive >= self.alive_max {
            return Err(Error::Full(self.alive_max));
        }
        let slot = match state.free.pop_front() {
            Some(slot) => slot,
            None if (state.slots as usize) < self.alive_max => {
                state.slots += 1;
                state.slots - 1
            }
            None => return Ok(None),
        };
        state.id_last += 1;
        state.alive += 1;
        let id = state.id_last;
        let (exit, receiver) = watch::channel(None);
        let entry = Entry {
            slot,
            exit,
            main: None,
            is_alive: true,
            is_leased: false,
        };
        state.entries.insert(id, entry);
        self.live.send_replace(state.entries.len());
        Ok(Some(Admitted {
            id,
            uid: self.uid_base + slot,
            exit: receiver,
        }))
    }

    /// Its processes were killed; they may still be ending.
    pub fn killed(&self, id: u64) {
        let mut state = self.state();
        let Some(entry) = state.entries.get_mut(&id) else {
            return;
        };
        if std::mem::replace(&mut entry.is_alive, false) {
            state.alive -= 1;
        }
    }

    /// Nothing of it is left: its uid can be used again.
    pub fn gone(&self, id: u64) {
        let mut state = self.state();
        let Some(entry) = state.entries.remove(&id) else {
            return;
        };
        state.alive -= usize::from(entry.is_alive);
        state.free.push_back(entry.slot);
        state.torn_down += 1;
        // Where nobody saw its own end, the main process ended with its init.
        set(&entry.exit, Exit::Signal(libc::SIGKILL));
        self.live.send_replace(state.entries.len());
    }

    /// Nothing of any sandbox is left.
    pub fn all_gone(&self) {
        let ids: Vec<u64> = self.state().entries.keys().copied().collect();
        ids.into_iter().for_each(|id| self.gone(id));
    }

    pub fn set_main(&self, id: u64, pid: i32) {
        if let Some(entry) = self.state().entries.get_mut(&id) {
            entry.main = Some(pid);
        }
    }

    /// The main process in the host's pid namespace, where a zygote made it.
    pub fn main(&self, id: u64) -> Option<i32> {
        let state = self.state();
        let entry = state.entries.get(&id)?;
        entry.main.filter(|_| entry.exit.borrow().is_none())
    }

    pub fn set_leased(&self, id: u64) {
        if let Some(entry) = self.state().entries.get_mut(&id) {
            entry.is_leased = true;
        }
    }

    /// The main process of a sandbox ended.
    pub fn exited(&self, id: u64, exit: Exit) {
        if let Some(entry) = self.state().entries.get(&id) {
            set(&entry.exit, exit);
        }
    }

    /// A process ended that may be a sandbox's main process.
    pub fn process_exited(&self, pid: i32, exit: Exit) {
        let state = self.state();
        if let Some(entry) = state.entries.values().find(|entry| entry.main == Some(pid)) {
            set(&entry.exit, exit);
        }
    }

    pub fn counts(&self) -> Counts {
        let state = self.state();
        let is_leased = |entry: &&Entry| entry.is_leased && entry.exit.borrow().is_none();
        Counts {
            live: state.entries.len(),
            leased: state.entries.values().filter(is_leased).count(),
            made: state.id_last,
            torn_down: state.torn_down,
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }
}

/// The first word about an end is the right one.
fn set(exit: &watch::Sender<Option<Exit>>, value: Exit) {
    exit.send_if_modified(|current| {
        let is_first = current.is_none();
        if is_first {
            *current = Some(value);
        }
        is_first
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(registry: &Registry) -> Admitted {
        let admitted = registry.try_admit().expect("there is room");
        admitted.expect("a uid is free")
    }

    #[test]
    fn uid_is_not_reused_before_teardown() {
        let registry = Registry::new(1000, 10);
        let first = admit(&registry);
        registry.killed(first.id);
        let second = admit(&registry);
        assert_ne!(first.uid, second.uid);
        registry.gone(first.id);
        let third = admit(&registry);
        assert_eq!(third.uid, first.uid);
        assert_ne!(third.id, first.id);
    }

    #[test]
    fn killed_sandbox_makes_room_at_once_but_keeps_its_uid() {
        let registry = Registry::new(1000, 1);
        let first = admit(&registry);
        assert!(matches!(registry.try_admit(), Err(Error::Full(1))));
        registry.killed(first.id);
        registry.killed(first.id);
        assert!(registry.has_room());
        assert!(matches!(registry.try_admit(), Ok(None)));
        registry.gone(first.id);
        assert_eq!(admit(&registry).uid, first.uid);
        assert!(matches!(registry.try_admit(), Err(Error::Full(1))));
    }

    #[tokio::test]
    async fn new_sandbox_waits_for_the_uid_of_one_that_is_ending() {
        let registry = Registry::new(1000, 1);
        let first = admit(&registry);
        registry.killed(first.id);
        let end = async { registry.gone(first.id) };
        let (second, ()) = tokio::join!(registry.admit(), end);
        assert_eq!(second.expect("a uid became free").uid, 1000);
    }

    #[test]
    fn first_news_of_an_end_wins() {
        let registry = Registry::new(1000, 1);
        let admitted = admit(&registry);
        registry.set_main(admitted.id, 77);
        registry.process_exited(77, Exit::Code(3));
        registry.gone(admitted.id);
        assert_eq!(*admitted.exit.borrow(), Some(Exit::Code(3)));
        assert_eq!(registry.counts().live, 0);
    }
}
