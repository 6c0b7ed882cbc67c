//! What the queue may take, and what is taken.

use std::sync::{Arc, Mutex, MutexGuard};

use super::totals::{Change, Totals};

/// The queue has no room. Nothing was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue is full: events, dead letters and messages take {bytes} of {bytes_max} bytes")]
pub struct Full {
    /// What is taken.
    pub bytes: u64,
    /// What may be taken.
    pub bytes_max: u64,
}

/// What the queue holds. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    counted: Arc<Mutex<Counted>>,
    bytes_max: u64,
}

/// The totals, and what is promised to what is on its way to disk.
#[derive(Debug)]
struct Counted {
    totals: Totals,
    promised_bytes: u64,
}

/// The room of what is on its way to disk; given back when dropped.
#[derive(Debug)]
pub(crate) struct Room {
    held: Held,
    bytes: u64,
}

impl Held {
    pub(super) fn new(totals: Totals, bytes_max: u64) -> Self {
        let counted = Counted {
            totals,
            promised_bytes: 0,
        };
        Self {
            counted: Arc::new(Mutex::new(counted)),
            bytes_max,
        }
    }

    /// Takes room.
    pub(crate) fn take(&self, bytes: u64) -> Result<Room, Full> {
        let mut counted = self.counted();
        let taken = counted.totals.bytes + counted.promised_bytes;
        if taken + bytes > self.bytes_max {
            return Err(Full {
                bytes: taken,
                bytes_max: self.bytes_max,
            });
        }
        counted.promised_bytes += bytes;
        Ok(Room {
            held: self.clone(),
            bytes,
        })
    }

    /// What may be taken by what has no room yet: what is on its way here has its own already.
    pub(super) fn unpromised_bytes(&self) -> u64 {
        self.bytes_max.saturating_sub(self.counted().promised_bytes)
    }

    /// What was committed.
    pub(crate) fn apply(&self, change: Change) {
        self.counted().totals.apply(change);
    }

    pub(super) fn totals(&self) -> Totals {
        self.counted().totals
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().expect("no holder panics")
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.held.counted().promised_bytes -= self.bytes;
    }
}
