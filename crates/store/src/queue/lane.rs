//! Which lane is which function's.

use kiln_types::FunctionId;
use rusqlite::{Connection, OptionalExtension, params};

use super::arrivals::Arrival;
use super::key::{Key, LANES_MAX, Lane};
use crate::error::{Doing, Error};

/// Functions of one account that may have events at once: one account must not have all lanes.
const ACCOUNT_LANES_MAX: u16 = LANES_MAX / 4;

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
    let no = free(to, account).doing("find a free lane")?;
    let no = no.ok_or(Error::Crowded(ACCOUNT_LANES_MAX))?;
    to.execute(
        "INSERT INTO lane (no, account, name) VALUES (?1, ?2, ?3)",
        params![no, account, name],
    )
    .doing("take lane")?;
    Ok(Lane(no))
}

/// A number that nobody has; when all are taken, or the account's share, that of a function without
/// events.
fn free(to: &Connection, account: &str) -> rusqlite::Result<Option<u16>> {
    let own: u16 = to
        .prepare_cached("SELECT count(*) FROM lane WHERE account = ?1")?
        .query_row([account], |row| row.get(0))?;
    let has_share = own >= ACCOUNT_LANES_MAX;
    let last: Option<u16> = to.query_row("SELECT max(no) FROM lane", [], |row| row.get(0))?;
    let next = last.map_or(0, |last| last + 1);
    if next < LANES_MAX && !has_share {
        return Ok(Some(next));
    }
    let mut lanes = to.prepare("SELECT no FROM lane WHERE account = ?1 OR NOT ?2")?;
    let taken = lanes.query_map(params![account, has_share], |row| row.get::<_, u16>(0))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn id(account: u64, number: u16) -> FunctionId {
        FunctionId {
            account: format!("{account:012}").parse().unwrap(),
            name: format!("f{number}").parse().unwrap(),
        }
    }

    #[test]
    fn an_account_has_a_share_of_the_lanes_and_uses_its_own_again() {
        let to = Connection::open_in_memory().unwrap();
        for migration in super::super::QUEUE.migrations {
            to.execute_batch(migration).unwrap();
        }
        let fill =
            "INSERT INTO event (id, request_id, accepted, failures, delays, starts, redelivered,
            head, bytes) VALUES (?1, x'', 0, 0, 0, 0, 0, '', 0)";
        for number in 0..ACCOUNT_LANES_MAX {
            let lane = of(&to, &id(1, number)).unwrap();
            to.execute(fill, [lane.keys().0]).unwrap();
        }
        assert!(of(&to, &id(1, ACCOUNT_LANES_MAX)).is_err());
        assert_eq!(of(&to, &id(2, 0)).unwrap(), Lane(ACCOUNT_LANES_MAX));
        let ended = of(&to, &id(1, 7)).unwrap();
        to.execute("DELETE FROM event WHERE id = ?1", [ended.keys().0])
            .unwrap();
        assert_eq!(of(&to, &id(1, ACCOUNT_LANES_MAX)).unwrap(), ended);
    }
}
