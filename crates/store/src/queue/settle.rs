//! Ends what a claim began.

use kiln_types::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::accept::{free_key, insert};
use super::arrivals::Arrival;
use super::event::{self, DeadLetter, NewEvent};
use super::key::Key;
use super::totals::Change;
use crate::error::{Doing, Error};

/// What becomes of an event that was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// It succeeded. Somebody may be told by an event of their own.
    Succeeded(Option<NewEvent>, Timestamp),
    /// It is given up, and somebody is told by an event of their own.
    Failed(NewEvent, Timestamp),
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

pub(super) fn settle(to: &Connection, key: Key, settlement: &Settlement) -> Result<Settled, Error> {
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
            finish(to, Change::succeeded(bytes), told.as_ref(), *now)
        }
        Settlement::Failed(told, now) => {
            let bytes = remove(to, key)?;
            finish(to, Change::failed(bytes), Some(told), *now)
        }
        Settlement::Dead {
            letter,
            was_started,
        } => {
            bury(to, key, letter, *was_started).doing("keep dead letter")?;
            finish(to, Change::dead(), None, letter.died)
        }
        Settlement::Again(again) => put_back(to, key, again),
    }
}

/// Counts the end and keeps the event of whoever is told, whatever room there is: the event that
/// ended was accepted.
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

fn bury(to: &Connection, key: Key, letter: &DeadLetter, was_started: bool) -> rusqlite::Result<()> {
    let function = event::function_of(to, key)?;
    let insert = "INSERT INTO dead
        (account, name, request_id, accepted, died, reason, error, starts, redelivered, head, bytes,
         body_id, body)
        SELECT ?2, ?3, request_id, accepted, ?4, ?5, ?6, starts + ?7, redelivered, head, bytes,
         body_id, body
        FROM event WHERE id = ?1";
    to.prepare_cached(insert)?.execute(params![
        key.0,
        function.account.as_str(),
        function.name.as_str(),
        letter.died.as_millis(),
        letter.reason.as_str(),
        letter.error,
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
