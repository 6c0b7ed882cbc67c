//! What became of ticks: counted in the same transaction as it happens.

use rusqlite::{Connection, params};

use crate::error::{Doing, Error};

/// How a tick ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was delivered.
    Fired,
    /// It was given up, and the dead-letter queue has it.
    Dead,
    /// It was given up.
    Lost,
}

/// What became of all ticks, those of schedules that are gone included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScheduleTotals {
    /// Delivered.
    pub fired: u64,
    /// Given up, and a dead-letter queue has them.
    pub dead: u64,
    /// Given up.
    pub lost: u64,
}

impl ScheduleTotals {
    pub(super) fn add(&mut self, ended: Ended) {
        match ended {
            Ended::Fired => self.fired += 1,
            Ended::Dead => self.dead += 1,
            Ended::Lost => self.lost += 1,
        }
    }

    pub(super) fn add_all(&mut self, more: Self) {
        self.fired += more.fired;
        self.dead += more.dead;
        self.lost += more.lost;
    }

    /// Counts these.
    pub(super) fn count(self, to: &Connection) -> Result<(), Error> {
        let update =
            "UPDATE schedule_total SET fired = fired + ?1, dead = dead + ?2, lost = lost + ?3";
        let by = [self.fired, self.dead, self.lost].map(u64::cast_signed);
        to.prepare_cached(update)
            .and_then(|mut update| update.execute(params![by[0], by[1], by[2]]))
            .doing("count ticks")
            .map(|_| ())
    }

    pub(super) fn read(from: &Connection) -> rusqlite::Result<Self> {
        from.query_row("SELECT fired, dead, lost FROM schedule_total", [], |row| {
            let count = |column| row.get::<usize, i64>(column).map(i64::cast_unsigned);
            Ok(Self {
                fired: count(0)?,
                dead: count(1)?,
                lost: count(2)?,
            })
        })
    }
}
