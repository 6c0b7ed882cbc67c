//! Takes events that are due, and gives back what a crash left taken.

use kiln_types::Timestamp;
use rusqlite::{Connection, params};

use super::event::{self, COLUMNS, Event};
use super::key::{Key, Lane};
use super::lane;
use super::totals::{Change, Totals};
use crate::error::{Doing, Error};

/// How many events of which function are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// Which.
    pub lane: Lane,
    /// How many at most.
    pub count_max: u32,
}

/// What was taken for one [`Ask`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// Whose.
    pub lane: Lane,
    /// The events, those due first first.
    pub events: Vec<Event>,
    /// When the first is due of those left; none when none are.
    pub next: Option<Timestamp>,
}

/// Takes what is due of one lane. What runs lies among what is due, a few entries that are skipped.
pub(super) fn claim(to: &Connection, ask: &Ask, now: Timestamp) -> Result<Claimed, Error> {
    let take = || {
        let (first, last) = ask.lane.keys();
        let mut events = Vec::new();
        if ask.count_max > 0 {
            let select = format!(
                "SELECT {COLUMNS} FROM event WHERE id BETWEEN ?1 AND ?2
                 AND NOT EXISTS (SELECT 1 FROM running WHERE running.id = event.id)
                 ORDER BY id LIMIT ?3"
            );
            let mut due = to.prepare_cached(&select)?;
            let mut rows = due.query(params![first, ask.lane.due_by(now), ask.count_max])?;
            let mut function = None;
            while let Some(row) = rows.next()? {
                let function = match &function {
                    Some(function) => function,
                    None => function.insert(event::function_of(to, Key(row.get(0)?))?),
                };
                events.push(event::read(to, row, function)?);
            }
        }
        let mut running = to.prepare_cached("INSERT INTO running (id) VALUES (?1)")?;
        for event in &mut events {
            running.execute([event.key.0])?;
            event.starts += 1;
        }
        let next = to
            .prepare_cached(
                "SELECT id FROM event WHERE id BETWEEN ?1 AND ?2
                 AND NOT EXISTS (SELECT 1 FROM running WHERE running.id = event.id)
                 ORDER BY id LIMIT 1",
            )?
            .query_map([first, last], |row| row.get(0))?
            .next()
            .transpose()?;
        Ok(Claimed {
            lane: ask.lane,
            events,
            next: next.map(|id| Key(id).due()),
        })
    };
    take().doing("claim events")
}

/// What was running when the last process ended waits again; it was started once more than anybody
/// knows the end of.
pub(super) fn recover(to: &Connection) -> Result<Totals, Error> {
    let recover = || {
        let left: i64 = to.query_row("SELECT count(*) FROM running", [], |row| row.get(0))?;
        to.execute(
            "UPDATE event SET redelivered = redelivered + 1, starts = starts + 1
             WHERE id IN (SELECT id FROM running)",
            [],
        )?;
        to.execute("DELETE FROM running", [])?;
        lane::tidy(to)?;
        Ok(left)
    };
    let redelivered = recover().doing("recover queue")?;
    let change = Change {
        redelivered,
        ..Default::default()
    };
    change.count(to)?;
    Totals::read(to)
}
