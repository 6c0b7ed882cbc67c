//! Numbers of what arrives from where nothing is numbered: greater than all before, whatever the calendar does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kiln_types::{Clock, Timestamp};

/// Numbers within a millisecond: as many bits of one.
const NUMBER_BITS: u32 = 20;

/// Numbers what arrives.
pub(super) struct Arrivals {
    clock: Arc<dyn Clock>,
    last: AtomicU64,
}

impl Arrivals {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            last: AtomicU64::new(0),
        }
    }

    /// Something has arrived: when, and its number.
    pub(super) fn next(&self) -> (Timestamp, u64) {
        let at = self.clock.timestamp();
        let now = u64::try_from(at.as_millis()).unwrap_or(0) << NUMBER_BITS;
        let next = |last: u64| Some(now.max(last + 1));
        let before = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        (at, now.max(before.unwrap_or(0) + 1))
    }
}
