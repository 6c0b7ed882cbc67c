//! Puts events into the queue.

use kiln_types::Timestamp;
use rusqlite::{Connection, params};

use super::arrivals::Arrival;
use super::event::{NewEvent, put_body};
use super::key::{Key, Lane};
use super::lane;
use super::totals::Change;
use crate::error::{Doing, Error};

/// Keeps an event and counts it.
pub(super) fn accept(
    to: &Connection,
    event: &NewEvent,
    now: Timestamp,
) -> Result<(Arrival, Change), Error> {
    let arrival = insert(to, event, now)?;
    Ok((arrival, Change::received(event).count(to)?))
}

/// Keeps an event that is new to the queue, due from `now` on.
pub(super) fn insert(to: &Connection, event: &NewEvent, now: Timestamp) -> Result<Arrival, Error> {
    let lane = lane::of(to, &event.function)?;
    let key = free_key(to, lane, now).doing("find a place for an event")?;
    let body = put_body(to, &event.payload)?;
    let insert = "INSERT INTO event
        (id, request_id, accepted, failures, delays, starts, redelivered, head, bytes, body_id, body)
        VALUES (?1, ?2, ?3, 0, 0, 0, 0, ?4, ?5, ?6, ?7)";
    to.prepare_cached(insert)
        .and_then(|mut statement| {
            statement.execute(params![
                key.0,
                event.request_id.as_bytes(),
                now.as_millis(),
                event.head(),
                event.size() as i64,
                body.id,
                body.inline
            ])
        })
        .doing("keep event")?;
    Ok(Arrival {
        lane,
        function: event.function.clone(),
        due: key.due(),
    })
}

/// The next key of the lane that nobody has, due at `due` or as soon after as there is one.
pub(super) fn free_key(to: &Connection, lane: Lane, due: Timestamp) -> rusqlite::Result<Key> {
    let mut statement =
        to.prepare_cached("SELECT max(id) FROM event WHERE id BETWEEN ?1 AND ?2")?;
    let (mut first, mut last) = lane.keys_at(due);
    loop {
        let taken: Option<i64> = statement.query_row([first, last], |row| row.get(0))?;
        match taken {
            None => return Ok(Key(first)),
            Some(taken) if taken < last => return Ok(Key(taken + 1)),
            Some(_) => (first, last) = (last + 1, last + 1 + (last - first)),
        }
    }
}
