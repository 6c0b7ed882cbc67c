//! Which lane is which function's.

use kiln_types::FunctionId;
use rusqlite::{Connection, OptionalExtension, params};

use super::arrivals::Arrival;
use super::key::{Key, LANES_MAX, Lane};
use crate::error::{Doing, Error};

/// The function's lane, a new one for its first event.
pub(super) fn of(to: &Connection, function: &FunctionId) -> Result<Lane, Error> {
    let (account, name) = (function.account.as_str(), function.name.as_str());
    let find = || {
        to.prepare_cached("SELECT no FROM lane WHERE account = ?1 AND name = ?2")?
            .query_row([account, name], |row| row.get(0))
            .optional()
    };
    if let Some(no) = find().doing("find lane")? {
        return Ok(Lane(no));
    }
    let no = free(to).doing("find a free lane")?;
    let no = no.ok_or_else(|| Error::Database {
        doing: "find a free lane",
        source: format!("{LANES_MAX} functions have events waiting").into(),
    })?;
    to.execute(
        "INSERT INTO lane (no, account, name) VALUES (?1, ?2, ?3)",
        params![no, account, name],
    )
    .doing("take lane")?;
    Ok(Lane(no))
}

/// A number that nobody has; when all are taken, that of a function without events.
fn free(to: &Connection) -> rusqlite::Result<Option<u16>> {
    let last: Option<u16> = to.query_row("SELECT max(no) FROM lane", [], |row| row.get(0))?;
    let next = last.map_or(0, |last| last + 1);
    if next < LANES_MAX {
        return Ok(Some(next));
    }
    let mut lanes = to.prepare("SELECT no FROM lane")?;
    let taken = lanes.query_map([], |row| row.get::<_, u16>(0))?;
    for no in taken {
        let lane = Lane(no?);
        if first(to, lane)?.is_none() {
            to.execute("DELETE FROM lane WHERE no = ?1", [lane.0])?;
            return Ok(Some(lane.0));
        }
    }
    Ok(None)
}

/// Forgets the lanes of functions without events.
pub(super) fn tidy(to: &Connection) -> rusqlite::Result<()> {
    let mut lanes = to.prepare("SELECT no FROM lane")?;
    let lanes = lanes.query_map([], |row| row.get(0))?;
    for no in lanes.collect::<rusqlite::Result<Vec<u16>>>()? {
        if first(to, Lane(no))?.is_none() {
            to.execute("DELETE FROM lane WHERE no = ?1", [no])?;
        }
    }
    Ok(())
}

/// Every lane with events, and when its first is due.
pub(super) fn all(from: &Connection) -> rusqlite::Result<Vec<Arrival>> {
    let mut lanes = from.prepare("SELECT no, account, name FROM lane")?;
    let rows = lanes.query_map([], |row| {
        let (account, name): (String, String) = (row.get(1)?, row.get(2)?);
        Ok((Lane(row.get(0)?), super::function(&account, &name)))
    })?;
    let mut found = Vec::new();
    for row in rows {
        let (lane, function) = row?;
        let function = match function {
            Ok(function) => function,
            Err(error) => {
                tracing::error!(lane = lane.0, %error, "events of an unreadable function wait for ever");
                continue;
            }
        };
        if let Some(first) = first(from, lane)? {
            let due = first.due();
            found.push(Arrival {
                lane,
                function,
                due,
            });
        }
    }
    Ok(found)
}

fn first(from: &Connection, lane: Lane) -> rusqlite::Result<Option<Key>> {
    let (from_key, to_key) = lane.keys();
    let first = from
        .prepare_cached("SELECT min(id) FROM event WHERE id BETWEEN ?1 AND ?2")?
        .query_row([from_key, to_key], |row| row.get::<_, Option<i64>>(0))?;
    Ok(first.map(Key))
}
