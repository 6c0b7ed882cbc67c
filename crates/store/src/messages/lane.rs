//! Which lane is which group's.

use kiln_types::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::key::{LANES_MAX, Lane};
use crate::error::{Doing, Error};

/// The lane of a group, a new one for its first message. A standard queue has one without a name.
pub(super) fn of(to: &Connection, epoch: i64, group: &str, now: Timestamp) -> Result<Lane, Error> {
    if let Some(lane) = find(to, epoch, group).doing("find lane of messages")? {
        return Ok(lane);
    }
    let id = free(to).doing("find a free lane of messages")?;
    let id = id.ok_or_else(|| Error::Database {
        doing: "find a free lane of messages",
        source: format!("{LANES_MAX} groups and queues have messages").into(),
    })?;
    let insert = "INSERT INTO message_lane (id, epoch, name, ready) VALUES (?1, ?2, ?3, ?4)";
    to.prepare_cached(insert)
        .and_then(|mut insert| insert.execute(params![id, epoch, group, now.as_millis()]))
        .doing("take lane of messages")?;
    Ok(Lane(id))
}

pub(super) fn find(from: &Connection, epoch: i64, group: &str) -> rusqlite::Result<Option<Lane>> {
    from.prepare_cached("SELECT id FROM message_lane WHERE epoch = ?1 AND name = ?2")?
        .query_row(params![epoch, group], |row| row.get(0).map(Lane))
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
