//! What is in the queue, for people.

use bytes::Bytes;
use kiln_types::account::AccountId;
use kiln_types::{FunctionId, FunctionName, RequestId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::event::{self, DeadLetter, NewEvent, Reason};
use super::key::{Key, Lane};

/// Which events or dead letters are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// Whose.
    pub account: AccountId,
    /// Only this function's.
    pub function: Option<FunctionName>,
    /// Dead letters, in the place of events.
    pub dead: bool,
    /// Only those after this one: the last of the page before.
    pub after: Option<i64>,
    /// How many at most.
    pub count_max: u32,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The events without their payloads, by function and when they are due; dead letters in the
    /// order in which they died.
    pub events: Vec<Shown>,
    /// Where the next page begins; none when this is the last.
    pub next: Option<i64>,
}

/// An event that waits or runs, or a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// What was accepted; the payload is empty in lists.
    pub event: NewEvent,
    /// When it was accepted.
    pub accepted: Timestamp,
    /// The payload's size, about.
    pub bytes: u64,
    /// How often it was started and ended.
    pub starts: u32,
    /// How often it was started again because the server ended while it ran.
    pub redelivered: u32,
    /// Where it is.
    pub place: Place,
}

/// Where an event is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// It waits until then.
    Waiting(Timestamp),
    /// It runs.
    Running,
    /// It was given up.
    Dead(DeadLetter),
}

const EVENTS: &str =
    "SELECT event.id, request_id, accepted, starts, redelivered, head, bytes, body_id,
    account, name, EXISTS (SELECT 1 FROM running WHERE running.id = event.id), body
    FROM event JOIN lane ON lane.no = event.id >> 49";
const LETTERS: &str = "SELECT id, request_id, accepted, starts, redelivered, head, bytes, body_id,
    account, name, reason, error, died, body FROM dead";

pub(super) fn list(from: &Connection, query: &ListQuery) -> rusqlite::Result<Listed> {
    let account = query.account.as_str();
    let function = query.function.as_ref().map(FunctionName::as_str);
    let after = query.after.unwrap_or(-1);
    // One more than is wanted tells whether there are more.
    let count = i64::from(query.count_max) + 1;
    let mut found: Vec<(i64, Shown)> = Vec::new();
    if query.dead {
        let select = format!(
            "{LETTERS} WHERE account = ?1 AND (?2 IS NULL OR name = ?2) AND id > ?3
             ORDER BY id LIMIT ?4"
        );
        let mut statement = from.prepare(&select)?;
        let rows = statement.query_map(params![account, function, after, count], |row| {
            Ok((row.get(0)?, letter(row, Bytes::new())?))
        })?;
        for row in rows {
            found.push(row?);
        }
    } else {
        for lane in lanes(from, account, function)? {
            let (first, last) = lane.keys();
            let select = format!(
                "{EVENTS} WHERE event.id BETWEEN ?1 AND ?2 AND event.id > ?3 ORDER BY event.id LIMIT ?4"
            );
            let mut statement = from.prepare(&select)?;
            let missing = count - found.len() as i64;
            let rows = statement.query_map(params![first, last, after, missing], |row| {
                Ok((row.get(0)?, waiting(row, Bytes::new())?))
            })?;
            for row in rows {
                found.push(row?);
            }
        }
    }
    let has_more = found.len() as i64 == count;
    found.truncate(query.count_max as usize);
    Ok(Listed {
        next: found.last().filter(|_| has_more).map(|(id, _)| *id),
        events: found.into_iter().map(|(_, shown)| shown).collect(),
    })
}

fn lanes(from: &Connection, account: &str, function: Option<&str>) -> rusqlite::Result<Vec<Lane>> {
    let mut lanes = from.prepare(
        "SELECT no FROM lane WHERE account = ?1 AND (?2 IS NULL OR name = ?2) ORDER BY no",
    )?;
    let rows = lanes.query_map(params![account, function], |row| row.get(0).map(Lane))?;
    rows.collect()
}

pub(super) fn show(
    from: &Connection,
    account: &AccountId,
    request_id: RequestId,
) -> rusqlite::Result<Option<Shown>> {
    let by = params![account.as_str(), request_id.as_bytes()];
    let with_body =
        |row: &Row<'_>, inline: usize| event::read_body(from, row.get(7)?, row.get(inline)?);
    let events = format!("{EVENTS} WHERE account = ?1 AND request_id = ?2");
    let event = from
        .prepare(&events)?
        .query_row(by, |row| waiting(row, with_body(row, 11)?))
        .optional()?;
    if event.is_some() {
        return Ok(event);
    }
    let letters = format!("{LETTERS} WHERE +account = ?1 AND request_id = ?2");
    from.prepare(&letters)?
        .query_row(by, |row| letter(row, with_body(row, 13)?))
        .optional()
}

fn waiting(row: &Row<'_>, payload: Bytes) -> rusqlite::Result<Shown> {
    let is_running: bool = row.get(10)?;
    let place = match is_running {
        true => Place::Running,
        false => Place::Waiting(Key(row.get(0)?).due()),
    };
    shown(row, payload, place)
}

fn letter(row: &Row<'_>, payload: Bytes) -> rusqlite::Result<Shown> {
    let reason: String = row.get(10)?;
    let letter = DeadLetter {
        reason: Reason::read(&reason)?,
        error: row.get(11)?,
        died: Timestamp::from_millis(row.get(12)?),
    };
    shown(row, payload, Place::Dead(letter))
}

/// The columns that both tables have.
fn shown(row: &Row<'_>, payload: Bytes, place: Place) -> rusqlite::Result<Shown> {
    let (account, name): (String, String) = (row.get(8)?, row.get(9)?);
    let function: FunctionId = super::function(&account, &name)?;
    let head: String = row.get(5)?;
    Ok(Shown {
        event: NewEvent::from_parts(function, row.get(1)?, &head, payload)?,
        accepted: Timestamp::from_millis(row.get(2)?),
        bytes: row.get::<_, i64>(6)?.max(0) as u64,
        starts: row.get(3)?,
        redelivered: row.get(4)?,
        place,
    })
}
