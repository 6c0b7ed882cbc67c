//! What became of all events: counted in the same transaction as it happens.

use rusqlite::{Connection, Row, params};

use super::event::NewEvent;
use crate::error::{Doing, Error};

/// What became of all events ever accepted. At any time
/// `received = succeeded + failed + dropped + dead + queued`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Accepted, those for destinations included.
    pub received: u64,
    /// Succeeded.
    pub succeeded: u64,
    /// Given up, and a destination was told.
    pub failed: u64,
    /// Dead letters that were purged.
    pub dropped: u64,
    /// Times that an event had to wait again after it was started.
    pub retried: u64,
    /// Times that an event was started again because the server ended while it ran.
    pub redelivered: u64,
    /// Dead letters that became events again.
    pub redriven: u64,
    /// Events whose destination could not be told of their end; they are dead letters.
    pub untold: u64,
    /// Waiting or running now.
    pub queued: u64,
    /// Dead letters now.
    pub dead: u64,
    /// What events, dead letters and messages take now, in bytes.
    pub bytes: u64,
}

/// How they change.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Change {
    pub(super) received: i64,
    pub(super) succeeded: i64,
    pub(super) failed: i64,
    pub(super) dropped: i64,
    pub(super) retried: i64,
    pub(super) redelivered: i64,
    pub(super) redriven: i64,
    pub(super) untold: i64,
    pub(super) queued: i64,
    pub(super) dead: i64,
    pub(crate) bytes: i64,
}

impl Change {
    /// Messages take so many bytes more.
    pub(crate) fn bytes(bytes: i64) -> Self {
        Self {
            bytes,
            ..Default::default()
        }
    }

    pub(super) fn received(event: &NewEvent) -> Self {
        Self {
            received: 1,
            queued: 1,
            bytes: event.size() as i64,
            ..Default::default()
        }
    }

    pub(super) fn succeeded(bytes: i64) -> Self {
        Self {
            succeeded: 1,
            queued: -1,
            bytes: -bytes,
            ..Default::default()
        }
    }

    pub(super) fn failed(bytes: i64) -> Self {
        Self {
            failed: 1,
            queued: -1,
            bytes: -bytes,
            ..Default::default()
        }
    }

    /// Kept with so many bytes of an error.
    pub(super) fn dead(error_bytes: i64) -> Self {
        Self {
            dead: 1,
            queued: -1,
            bytes: error_bytes,
            ..Default::default()
        }
    }
}

impl std::ops::Add for Change {
    type Output = Change;

    fn add(self, other: Change) -> Change {
        Change {
            received: self.received + other.received,
            succeeded: self.succeeded + other.succeeded,
            failed: self.failed + other.failed,
            dropped: self.dropped + other.dropped,
            retried: self.retried + other.retried,
            redelivered: self.redelivered + other.redelivered,
            redriven: self.redriven + other.redriven,
            untold: self.untold + other.untold,
            queued: self.queued + other.queued,
            dead: self.dead + other.dead,
            bytes: self.bytes + other.bytes,
        }
    }
}

impl Change {
    /// Counts it, in the transaction of what it counts.
    pub(crate) fn count(self, to: &Connection) -> Result<Self, Error> {
        let update = "UPDATE total SET
            received = received + ?1, succeeded = succeeded + ?2, failed = failed + ?3,
            dropped = dropped + ?4, retried = retried + ?5, redelivered = redelivered + ?6,
            redriven = redriven + ?7, queued = queued + ?8, dead = dead + ?9, bytes = bytes + ?10,
            untold = untold + ?11";
        let by = params![
            self.received,
            self.succeeded,
            self.failed,
            self.dropped,
            self.retried,
            self.redelivered,
            self.redriven,
            self.queued,
            self.dead,
            self.bytes,
            self.untold,
        ];
        to.prepare_cached(update)
            .and_then(|mut statement| statement.execute(by))
            .doing("count events")?;
        Ok(self)
    }
}

impl Totals {
    /// As they are kept.
    pub(super) fn read(from: &Connection) -> Result<Self, Error> {
        let select =
            "SELECT received, succeeded, failed, dropped, retried, redelivered, redriven, queued,
            dead, bytes, untold FROM total";
        from.query_row(select, [], Self::of_row)
            .doing("read totals")
    }

    /// The same after a change that has been committed.
    pub(super) fn apply(&mut self, by: Change) {
        // None of them is ever negative: each is only lowered by what raised it.
        self.received = self.received.saturating_add_signed(by.received);
        self.succeeded = self.succeeded.saturating_add_signed(by.succeeded);
        self.failed = self.failed.saturating_add_signed(by.failed);
        self.dropped = self.dropped.saturating_add_signed(by.dropped);
        self.retried = self.retried.saturating_add_signed(by.retried);
        self.redelivered = self.redelivered.saturating_add_signed(by.redelivered);
        self.redriven = self.redriven.saturating_add_signed(by.redriven);
        self.queued = self.queued.saturating_add_signed(by.queued);
        self.dead = self.dead.saturating_add_signed(by.dead);
        self.bytes = self.bytes.saturating_add_signed(by.bytes);
        self.untold = self.untold.saturating_add_signed(by.untold);
    }

    fn of_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let count = |column| {
            row.get::<usize, i64>(column)
                .map(|count| count.max(0) as u64)
        };
        Ok(Self {
            received: count(0)?,
            succeeded: count(1)?,
            failed: count(2)?,
            dropped: count(3)?,
            retried: count(4)?,
            redelivered: count(5)?,
            redriven: count(6)?,
            queued: count(7)?,
            dead: count(8)?,
            bytes: count(9)?,
            untold: count(10)?,
        })
    }
}
