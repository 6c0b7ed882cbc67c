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
    /// Waiting or running now.
    pub queued: u64,
    /// Dead letters now.
    pub dead: u64,
    /// What events and dead letters take now, in bytes.
    pub bytes: u64,
}

/// How they change.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Change {
    pub(super) received: i64,
    pub(super) succeeded: i64,
    pub(super) failed: i64,
    pub(super) dropped: i64,
    pub(super) retried: i64,
    pub(super) redelivered: i64,
    pub(super) redriven: i64,
    pub(super) queued: i64,
    pub(super) dead: i64,
    pub(super) bytes: i64,
}

impl Change {
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

    pub(super) fn dead() -> Self {
        Self {
            dead: 1,
            queued: -1,
            ..Default::default()
        }
    }
}

impl Totals {
    /// Changes them and tells how they are then.
    pub(super) fn change(to: &Connection, by: Change) -> Result<Self, Error> {
        let update = "UPDATE total SET
            received = received + ?1, succeeded = succeeded + ?2, failed = failed + ?3,
            dropped = dropped + ?4, retried = retried + ?5, redelivered = redelivered + ?6,
            redriven = redriven + ?7, queued = queued + ?8, dead = dead + ?9, bytes = bytes + ?10
            RETURNING received, succeeded, failed, dropped, retried, redelivered, redriven, queued,
            dead, bytes";
        to.prepare_cached(update)
            .and_then(|mut statement| {
                let by = params![
                    by.received,
                    by.succeeded,
                    by.failed,
                    by.dropped,
                    by.retried,
                    by.redelivered,
                    by.redriven,
                    by.queued,
                    by.dead,
                    by.bytes
                ];
                statement.query_row(by, Self::read)
            })
            .doing("count events")
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        // None of them is ever negative: each is only lowered by what raised it.
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
        })
    }
}
