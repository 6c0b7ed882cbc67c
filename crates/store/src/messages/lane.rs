//! Which lane is which group's, and when a group may be received from.

use kiln_types::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::key::{Key, LANES_MAX, Lane};
use super::registry::MessageQueue;
use crate::error::{Doing, Error};

/// A lane, and from when on its group may be received from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) lane: Lane,
    pub(super) ready: Timestamp,
}

/// The lane of a group, a new one for its first message. A standard queue has one without a name.
pub(super) fn of(
    to: &Connection,
    queue: &MessageQueue,
    group: Option<&str>,
    ready: Timestamp,
) -> Result<Found, Error> {
    let group = group.filter(|_| queue.is_fifo()).unwrap_or_default();
    if let Some(found) = find(to, queue.epoch, group).doing("find lane of messages")? {
        return Ok(found);
    }
    let id = free(to).doing("find a free lane of messages")?;
    let id = id.ok_or_else(|| Error::Database {
        doing: "find a free lane of messages",
        source: format!("{LANES_MAX} groups and queues have messages").into(),
    })?;
    let insert = "INSERT INTO message_lane (id, epoch, name, ready) VALUES (?1, ?2, ?3, ?4)";
    to.prepare_cached(insert)
        .and_then(|mut insert| insert.execute(params![id, queue.epoch, group, ready.as_millis()]))
        .doing("take lane of messages")?;
    let lane = Lane(id);
    Ok(Found { lane, ready })
}

/// The lane of a standard queue, if it ever had a message.
pub(super) fn only(from: &Connection, epoch: i64) -> rusqlite::Result<Option<Lane>> {
    find(from, epoch, "").map(|found| found.map(|found| found.lane))
}

fn find(from: &Connection, epoch: i64, group: &str) -> rusqlite::Result<Option<Found>> {
    let select = "SELECT id, ready FROM message_lane WHERE epoch = ?1 AND name = ?2";
    let found = |row: &rusqlite::Row<'_>| {
        Ok(Found {
            lane: Lane(row.get(0)?),
            ready: Timestamp::from_millis(row.get(1)?),
        })
    };
    from.prepare_cached(select)?
        .query_row(params![epoch, group], found)
        .optional()
}

/// The number after the last, and when that is the last there is the first that nobody has.
fn free(from: &Connection) -> rusqlite::Result<Option<u32>> {
    let last = "SELECT max(id) FROM message_lane";
    let last: Option<u32> = from.prepare_cached(last)?.query_row([], |row| row.get(0))?;
    let next = last.map_or(0, |last| last + 1);
    if next < LANES_MAX {
        return Ok(Some(next));
    }
    let gap = "SELECT id + 1 FROM message_lane l WHERE id + 1 < ?1
        AND NOT EXISTS (SELECT 1 FROM message_lane WHERE id = l.id + 1) LIMIT 1";
    from.prepare(gap)?
        .query_row([LANES_MAX], |row| row.get(0))
        .optional()
}

/// Says when a group may be received from, after its messages changed: when none of them is in flight and
/// the first is no longer delayed. One without messages gives its lane up.
pub(super) fn settle(to: &Connection, lane: Lane, now: Timestamp) -> Result<(), Error> {
    let settle = || {
        let ready = match in_flight_until(to, lane, now)? {
            Some(until) => until,
            None => match head(to, lane)? {
                Some((_, until)) => until.unwrap_or(now),
                None => {
                    let delete = "DELETE FROM message_lane WHERE id = ?1";
                    return to.prepare_cached(delete)?.execute([lane.0]);
                }
            },
        };
        set_ready(to, lane, ready, now)
    };
    settle().doing("settle group of messages")?;
    Ok(())
}

/// A group that was ready keeps its place among those that are.
pub(super) fn set_ready(
    to: &Connection,
    lane: Lane,
    ready: Timestamp,
    now: Timestamp,
) -> rusqlite::Result<usize> {
    let update = "UPDATE message_lane SET ready = ?2 WHERE id = ?1 AND (ready > ?3 OR ?2 > ?3)";
    let by = params![lane.0, ready.as_millis(), now.as_millis()];
    to.prepare_cached(update)?.execute(by)
}

fn in_flight_until(
    from: &Connection,
    lane: Lane,
    now: Timestamp,
) -> rusqlite::Result<Option<Timestamp>> {
    let select = "SELECT max(due) FROM message_held WHERE lane = ?1 AND due > ?2 AND received > 0";
    let until: Option<i64> = from
        .prepare_cached(select)?
        .query_row(params![lane.0, now.as_millis()], |row| row.get(0))?;
    Ok(until.map(Timestamp::from_millis))
}

/// The first message of a lane, and until when it is held if it is.
fn head(from: &Connection, lane: Lane) -> rusqlite::Result<Option<(Key, Option<Timestamp>)>> {
    let select = "SELECT m.id, h.due FROM message m LEFT JOIN message_held h ON h.id = m.id
        WHERE m.id BETWEEN ?1 AND ?2 ORDER BY m.id LIMIT 1";
    let (first, last) = lane.keys();
    from.prepare_cached(select)?
        .query_row([first, last], |row| {
            let due: Option<i64> = row.get(1)?;
            Ok((Key(row.get(0)?), due.map(Timestamp::from_millis)))
        })
        .optional()
}
