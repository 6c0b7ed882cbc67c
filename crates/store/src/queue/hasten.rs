//! Brings forward what is due later than anything can be: after a calendar that was ahead was corrected,
//! or is behind now.

use std::time::Duration;

use kiln_types::Timestamp;
use rusqlite::{Connection, params};

use super::accept::free_key;
use super::arrivals::Arrival;
use super::event;
use super::key::{Key, LANES_MAX, Lane};
use crate::error::{Doing, Error};

/// Events moved in one transaction.
const PART_MAX: usize = 256;
/// So much later than the latest is not too late: events that were brought forward take the milliseconds after it.
const SPREAD: Duration = Duration::from_secs(1);

/// Where the next part begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor {
    lane: u16,
    /// When the last one of the lane became due: those before have all places until then.
    due: Timestamp,
}

impl Cursor {
    /// Before the first event.
    pub(super) fn new(latest: Timestamp) -> Self {
        Self {
            lane: 0,
            due: latest,
        }
    }
}

/// What was moved, and where the next part begins, if there is more.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) arrivals: Vec<Arrival>,
    pub(super) next: Option<Cursor>,
}

/// Moves the next events of those that do not run.
pub(super) fn hasten(to: &Connection, latest: Timestamp, from: Cursor) -> Result<Part, Error> {
    let move_one = |late: Key, due| {
        let key = free_key(to, late.lane(), due)?;
        to.prepare_cached("UPDATE event SET id = ?2 WHERE id = ?1")?
            .execute([late.0, key.0])?;
        Ok(Arrival {
            lane: key.lane(),
            function: event::function_of(to, key)?,
            due: key.due(),
        })
    };
    let mut arrivals = Vec::new();
    let mut at = from;
    while at.lane < LANES_MAX {
        let lane = Lane(at.lane);
        let missing = PART_MAX - arrivals.len();
        // Those that were moved already stand before.
        let late = late(to, lane, latest.max(at.due), missing).doing("find late events")?;
        for late in &late {
            let arrival = move_one(*late, at.due).doing("bring event forward")?;
            at.due = arrival.due;
            arrivals.push(arrival);
        }
        if late.len() == missing {
            let next = Some(at);
            return Ok(Part { arrivals, next });
        }
        match next_lane(to, lane).doing("find next lane")? {
            Some(lane) => at = Cursor { lane, due: latest },
            None => break,
        }
    }
    let next = None;
    Ok(Part { arrivals, next })
}

/// Events that do not run and are due later, the first of them first.
fn late(from: &Connection, lane: Lane, due: Timestamp, count: usize) -> rusqlite::Result<Vec<Key>> {
    let select = "SELECT id FROM event WHERE id > ?1 AND id <= ?2
        AND NOT EXISTS (SELECT 1 FROM running WHERE running.id = event.id) ORDER BY id LIMIT ?3";
    let first = lane.due_by(due + SPREAD);
    let mut select = from.prepare_cached(select)?;
    let rows = select.query_map(params![first, lane.keys().1, count as i64], |row| {
        row.get(0).map(Key)
    })?;
    rows.collect()
}

fn next_lane(from: &Connection, after: Lane) -> rusqlite::Result<Option<u16>> {
    from.prepare_cached("SELECT min(no) FROM lane WHERE no > ?1")?
        .query_row([after.0], |row| row.get(0))
}
