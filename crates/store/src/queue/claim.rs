//! Takes events that are due, and gives back what a crash left taken.

use std::time::Duration;

use kiln_types::Timestamp;
use rusqlite::{Connection, params};

use super::accept::free_key;
use super::dead;
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
    /// How many bytes at most; one event is taken however large it is.
    pub bytes_max: u64,
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
/// What cannot be read is buried: it would stand before all others of its lane for ever.
pub(super) fn claim(
    to: &Connection,
    ask: &Ask,
    now: Timestamp,
) -> Result<(Claimed, Change), Error> {
    let Due { events, unreadable } = due(to, ask, now).doing("read events that are due")?;
    let mut change = Change::default();
    for (key, why) in unreadable {
        tracing::error!(
            event = key.0,
            why,
            "an event cannot be read: it is a dead letter now"
        );
        let buried = dead::bury_unreadable(to, key, &why, now);
        change = change + Change::dead(buried.doing("bury an event that cannot be read")?);
    }
    if change.dead > 0 {
        change.count(to)?;
    }
    let start = || {
        let mut running = to.prepare_cached("INSERT INTO running (id) VALUES (?1)")?;
        for event in &events {
            running.execute([event.key.0])?;
        }
        next(to, ask.lane)
    };
    let claimed = Claimed {
        lane: ask.lane,
        next: start().doing("claim events")?,
        events,
    };
    Ok((claimed, change))
}

/// What is due of a lane.
#[derive(Default)]
struct Due {
    events: Vec<Event>,
    /// And why.
    unreadable: Vec<(Key, String)>,
}

fn due(from: &Connection, ask: &Ask, now: Timestamp) -> rusqlite::Result<Due> {
    let mut found = Due::default();
    if ask.count_max == 0 {
        return Ok(found);
    }
    let select = format!(
        "SELECT {COLUMNS} FROM event WHERE id BETWEEN ?1 AND ?2
         AND NOT EXISTS (SELECT 1 FROM running WHERE running.id = event.id)
         ORDER BY id LIMIT ?3"
    );
    let mut due = from.prepare_cached(&select)?;
    let by = params![ask.lane.keys().0, ask.lane.due_by(now), ask.count_max];
    let mut rows = due.query(by)?;
    let (mut function, mut bytes) = (None, 0);
    while bytes < ask.bytes_max
        && let Some(row) = rows.next()?
    {
        let key = Key(row.get(0)?);
        let function = match &function {
            Some(function) => function,
            None => function.insert(event::function_of(from, key)?),
        };
        match event::read(from, row, function) {
            Ok(mut event) => {
                event.starts += 1;
                bytes += event.event.size();
                found.events.push(event);
            }
            Err(error @ rusqlite::Error::SqliteFailure(..)) => return Err(error),
            Err(error) => found.unreadable.push((key, error.to_string())),
        }
    }
    Ok(found)
}

/// When the first of a lane's events is due that nobody has claimed.
fn next(from: &Connection, lane: Lane) -> rusqlite::Result<Option<Timestamp>> {
    let (first, last) = lane.keys();
    let next = from
        .prepare_cached(
            "SELECT id FROM event WHERE id BETWEEN ?1 AND ?2
             AND NOT EXISTS (SELECT 1 FROM running WHERE running.id = event.id)
             ORDER BY id LIMIT 1",
        )?
        .query_map([first, last], |row| row.get(0))?
        .next()
        .transpose()?;
    Ok(next.map(|id| Key(id).due()))
}

/// An event during which the process ended so often waits before it is tried again.
const REDELIVERED_AT_ONCE: u32 = 2;
/// How long, at most; at first a second, then twice as long each time.
const REDELIVERY_WAIT_MAX: Duration = Duration::from_secs(300);

/// What was running when the last process ended waits again; it was started once more than anybody
/// knows the end of.
pub(super) fn recover(to: &Connection, now: Timestamp) -> Result<Totals, Error> {
    let recover = || {
        let left: i64 = to.query_row("SELECT count(*) FROM running", [], |row| row.get(0))?;
        to.execute(
            "UPDATE event SET redelivered = redelivered + 1, starts = starts + 1
             WHERE id IN (SELECT id FROM running)",
            [],
        )?;
        postpone(to, now)?;
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

/// What was running time after time when the process ended may be why it did: it must not have the next
/// one end at once as well.
fn postpone(to: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let mut again = to.prepare(
        "SELECT id, redelivered FROM event
         WHERE id IN (SELECT id FROM running) AND redelivered > ?1",
    )?;
    let again = again.query_map([REDELIVERED_AT_ONCE], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for (id, redelivered) in again.collect::<rusqlite::Result<Vec<(i64, u32)>>>()? {
        let doublings = (redelivered - REDELIVERED_AT_ONCE - 1).min(16);
        let wait = Duration::from_secs(1 << doublings).min(REDELIVERY_WAIT_MAX);
        let key = free_key(to, Key(id).lane(), now + wait)?;
        to.execute("UPDATE event SET id = ?2 WHERE id = ?1", [id, key.0])?;
    }
    Ok(())
}
