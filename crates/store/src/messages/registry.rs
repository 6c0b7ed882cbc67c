//! Which message queues there are, in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use kiln_types::account::AccountId;
use kiln_types::{QueueId, Timestamp};
use tokio::sync::Notify;

use super::counts::{Count, Counts};
use super::receive::Attempts;
use super::settings::Settings;

/// A message queue as of the last change that was made durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageQueue {
    /// Which.
    pub id: QueueId,
    /// How it treats its messages.
    pub settings: Settings,
    /// Its owner's notes.
    pub tags: BTreeMap<String, String>,
    /// When it was made.
    pub created: Timestamp,
    /// When its settings were last changed.
    pub modified: Timestamp,
    pub(super) number: i64,
    pub(super) epoch: i64,
}

/// A queue, and what changes with its messages.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) queue: Arc<MessageQueue>,
    pub(super) arrivals: Arc<Notify>,
    pub(super) epoch: Arc<Epoch>,
}

/// What is known of the messages between two purges.
#[derive(Default)]
pub(super) struct Epoch {
    counts: Mutex<Counts>,
    /// In a standard queue no message before this number is fresh: where a receive begins to look.
    pub(super) first_fresh: Arc<AtomicI64>,
    pub(super) attempts: Mutex<Attempts>,
}

/// All queues.
#[derive(Default)]
pub(super) struct Registry {
    queues: RwLock<HashMap<AccountId, BTreeMap<QueueId, Live>>>,
}

impl MessageQueue {
    /// Whether it keeps the order of its messages.
    pub fn is_fifo(&self) -> bool {
        self.settings.fifo.is_some()
    }
}

impl Live {
    pub(super) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.epoch.counts.lock().expect("no holder panics")
    }

    pub(super) fn count(&self, now: Timestamp) -> Count {
        self.counts().count(now)
    }
}

impl Epoch {
    pub(super) fn new(counts: Counts) -> Self {
        Self {
            counts: Mutex::new(counts),
            ..Default::default()
        }
    }
}

impl Registry {
    pub(super) fn get(&self, id: &QueueId) -> Option<Live> {
        let queues = self.queues.read().expect("no holder panics");
        queues.get(&id.account)?.get(id).cloned()
    }

    /// An account's queues, by name.
    pub(super) fn list(&self, account: &AccountId) -> Vec<Arc<MessageQueue>> {
        let queues = self.queues.read().expect("no holder panics");
        let own = queues.get(account).into_iter().flat_map(BTreeMap::values);
        own.map(|live| live.queue.clone()).collect()
    }

    /// All queues of all accounts.
    pub(super) fn all(&self) -> Vec<Arc<MessageQueue>> {
        let queues = self.queues.read().expect("no holder panics");
        let all = queues.values().flat_map(BTreeMap::values);
        all.map(|live| live.queue.clone()).collect()
    }

    /// Makes a queue known that is new, or begins a new epoch of one that is known: whoever waits for its
    /// messages goes on waiting.
    pub(super) fn begin(&self, queue: MessageQueue, counts: Counts) {
        let mut queues = self.queues.write().expect("no holder panics");
        let own = queues.entry(queue.id.account.clone()).or_default();
        let known = own.get(&queue.id);
        let live = Live {
            arrivals: known.map(|live| live.arrivals.clone()).unwrap_or_default(),
            epoch: Arc::new(Epoch::new(counts)),
            queue: Arc::new(queue),
        };
        own.insert(live.queue.id.clone(), live);
    }

    /// Shows a queue's new settings.
    pub(super) fn change(&self, queue: Arc<MessageQueue>) {
        let mut queues = self.queues.write().expect("no holder panics");
        let own = queues.get_mut(&queue.id.account);
        if let Some(live) = own.and_then(|own| own.get_mut(&queue.id)) {
            live.queue = queue;
        }
    }

    /// Forgets a queue; whoever waits for its messages is told.
    pub(super) fn remove(&self, id: &QueueId) {
        let mut queues = self.queues.write().expect("no holder panics");
        let removed = queues.get_mut(&id.account).and_then(|own| own.remove(id));
        if let Some(live) = removed {
            live.arrivals.notify_waiters();
        }
    }
}
