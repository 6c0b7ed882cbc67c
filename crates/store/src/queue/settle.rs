//! Ends what a claim began.

use bytes::Bytes;
use kiln_types::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::accept::{free_key, insert};
use super::arrivals::Arrival;
use super::event::{self, DeadLetter, NewEvent};
use super::key::Key;
use super::totals::Change;
use crate::error::{Doing, Error};

/// An event that tells somebody of the end of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The event.
    pub event: NewEvent,
    /// What it says instead when the queue has no room for all of it.
    pub brief: Bytes,
}

/// What becomes of an event that was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// It succeeded. Somebody may be told by an event of their own.
    Succeeded(Option<Told>, Timestamp),
    /// It is given up, and somebody is told by an event of their own.
    Failed {
        /// The event that tells them.
        told: NewEvent,
        /// As what the first one is kept when the queue has no room for the other.
        letter: DeadLetter,
        /// Whether it was run this time.
        was_started: bool,
    },
    /// It is given up and kept.
    Dead {
        /// Why.
        letter: DeadLetter,
        /// Whether it was run this time.
        was_started: bool,
    },
    /// It must wait again.
    Again(Again),
}

/// Why and until when an event waits again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Again {
    /// Until when.
    pub due: Timestamp,
    /// How often the function has failed on it.
    pub failures: u32,
    /// How often in a row it could not be run.
    pub delays: u32,
    /// Whether it was run at all: what was not counts as not started.
    pub was_started: bool,
}

/// What the change of an event led to.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) change: Change,
    pub(super) arrivals: Vec<Arrival>,
}

/// Ends a claim. What is made of the event never takes the queue above `bytes_max`, but for the few
/// hundred bytes of a record without payloads: the event that ended was accepted.
pub(super) fn settle(
    to: &Connection,
    key: Key,
    settlement: &Settlement,
    bytes_max: u64,
) -> Result<Settled, Error> {
    let has_room = |bytes, freed| has_room(to, bytes, freed, bytes_max).doing("look for room");
    let ended = to
        .prepare_cached("DELETE FROM running WHERE id = ?1")
        .and_then(|mut statement| statement.execute([key.0]))
        .doing("end claim")?;
    if ended == 0 {
        return Err(Error::Damaged {
            what: "the queue".to_owned(),
            why: format!("event {} is settled but was not claimed", key.0),
        });
    }
    match settlement {
        Settlement::Succeeded(told, now) => {
            let bytes = remove(to, key)?;
            let mut told = told.clone();
            if let Some(told) = &mut told
                && !has_room(told.event.size() as i64, bytes)?
            {
                told.event.payload = told.brief.clone();
            }
            let told = told.map(|told| told.event);
            finish(to, Change::succeeded(bytes), told.as_ref(), *now)
        }
        Settlement::Failed { told, letter, .. }
            if has_room(told.size() as i64, size(to, key).doing("measure event")?)? =>
        {
            let bytes = remove(to, key)?;
            finish(to, Change::failed(bytes), Some(told), letter.died)
        }
        Settlement::Failed {
            letter,
            was_started,
            ..
        }
        | Settlement::Dead {
            letter,
            was_started,
        } => {
            let has_room = has_room(letter.error.len() as i64, 0)?;
            let error = if has_room { letter.error.as_str() } else { "" };
            bury(to, key, letter, error, *was_started).doing("keep dead letter")?;
            finish(to, Change::dead(error.len() as i64), None, letter.died)
        }
        Settlement::Again(again) => put_back(to, key, again),
    }
}

/// Whether the queue may take so many bytes, when so many others are given back.
fn has_room(to: &Connection, bytes: i64, freed: i64, bytes_max: u64) -> rusqlite::Result<bool> {
    if bytes <= freed {
        return Ok(true);
    }
    let taken: i64 = to
        .prepare_cached("SELECT bytes FROM total")?
        .query_row([], |row| row.get(0))?;
    Ok((taken - freed + bytes).max(0) as u64 <= bytes_max)
}

fn size(to: &Connection, key: Key) -> rusqlite::Result<i64> {
    to.prepare_cached("SELECT bytes FROM event WHERE id = ?1")?
        .query_row([key.0], |row| row.get(0))
}

/// Counts the end and keeps the event of whoever is told.
fn finish(
    to: &Connection,
    change: Change,
    told: Option<&NewEvent>,
    now: Timestamp,
) -> Result<Settled, Error> {
    let mut change = change;
    let mut arrivals = Vec::new();
    if let Some(told) = told {
        change = change + Change::received(told);
        arrivals.push(insert(to, told, now)?);
    }
    let change = change.count(to)?;
    Ok(Settled { change, arrivals })
}

/// Forgets an event; tells how large it was.
fn remove(to: &Connection, key: Key) -> Result<i64, Error> {
    let remove = || {
        let found: Option<(i64, Option<i64>)> = to
            .prepare_cached("DELETE FROM event WHERE id = ?1 RETURNING bytes, body_id")?
            .query_row([key.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (bytes, body) = found.unwrap_or_default();
        event::drop_body(to, body)?;
        Ok(bytes)
    };
    remove().doing("forget event")
}

fn bury(
    to: &Connection,
    key: Key,
    letter: &DeadLetter,
    error: &str,
    was_started: bool,
) -> rusqlite::Result<()> {
    let function = event::function_of(to, key)?;
    let insert = "INSERT INTO dead
        (account, name, request_id, accepted, died, reason, error, starts, redelivered, head, bytes,
         body_id, body)
        SELECT ?2, ?3, request_id, accepted, ?4, ?5, ?6, starts + ?7, redelivered, head,
         bytes + octet_length(?6), body_id, body
        FROM event WHERE id = ?1";
    to.prepare_cached(insert)?.execute(params![
        key.0,
        function.account.as_str(),
        function.name.as_str(),
        letter.died.as_millis(),
        letter.reason.as_str(),
        error,
        was_started
    ])?;
    to.prepare_cached("DELETE FROM event WHERE id = ?1")?
        .execute([key.0])?;
    Ok(())
}

fn put_back(to: &Connection, key: Key, again: &Again) -> Result<Settled, Error> {
    let put_back = || {
        let new = free_key(to, key.lane(), again.due)?;
        let update = "UPDATE event SET id = ?2, failures = ?3, delays = ?4, starts = starts + ?5
                      WHERE id = ?1";
        to.prepare_cached(update)?.execute(params![
            key.0,
            new.0,
            again.failures,
            again.delays,
            again.was_started
        ])?;
        Ok(Arrival {
            lane: key.lane(),
            function: event::function_of(to, key)?,
            due: new.due(),
        })
    };
    let arrival = put_back().doing("put event back")?;
    let change = Change {
        retried: i64::from(again.was_started),
        ..Default::default()
    };
    Ok(Settled {
        change: change.count(to)?,
        arrivals: vec![arrival],
    })
}
