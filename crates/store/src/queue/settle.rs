//! Ends what a claim began.

use kiln_types::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::accept::free_key;
use super::arrivals::Arrival;
use super::deliver::{Delivered, Delivery, deliver_whole, deposits};
use super::event::{self, DeadLetter, Reason};
use super::key::Key;
use super::totals::Change;
use crate::error::{Doing, Error};
use crate::messages::{Messages, Refusal};
use crate::objects::Deposit;

/// What tells of the success of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// All of it: a topic and a bus have many receivers.
    pub whole: Vec<Delivery>,
    /// What the same are told instead when there is no room for that, where they can be.
    pub brief: Option<Vec<Delivery>>,
    /// As what the event is kept when one of them does not take it; the store adds why.
    pub otherwise: DeadLetter,
}

/// What becomes of an event that was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// It succeeded. Somebody may be told; what their queue does not take is kept as a dead letter.
    Succeeded(Option<Told>, Timestamp),
    /// It is given up, and others are told.
    Failed {
        /// What tells each of them: all of it, or none. Who cannot be told keeps no other from it.
        told: Vec<Vec<Delivery>>,
        /// How many others are not there to be told.
        untold: u32,
        /// As what it is kept when nobody could be told; the store adds why.
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
    /// Besides.
    pub(super) delivered: Delivered,
}

/// Where the changes of a settlement are made.
pub(super) struct Settling<'a> {
    pub(super) to: &'a Connection,
    pub(super) messages: &'a Messages,
    /// What is made of the event never takes the queue above this, but for the few hundred bytes of a
    /// record without payloads: the event that ended was accepted.
    pub(super) bytes_max: u64,
}

/// Ends a claim.
pub(super) fn settle(
    at: &Settling<'_>,
    key: Key,
    settlement: &Settlement,
) -> Result<Settled, Error> {
    let to = at.to;
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
            let delivered = match told {
                Some(told) => match at.tell_of_success(key, told, *now)? {
                    Ok(delivered) => delivered,
                    Err(letter) => return at.keep(key, &letter, true),
                },
                None => Delivered::default(),
            };
            let bytes = remove(to, key)?;
            finish(to, Change::succeeded(bytes), delivered)
        }
        Settlement::Failed {
            told,
            untold,
            letter,
            was_started,
        } => match at.tell_of_failure(key, told, letter.died)? {
            Ok((delivered, refused)) => {
                let bytes = remove(to, key)?;
                let change = Change {
                    untold: refused + i64::from(*untold),
                    ..Change::failed(bytes)
                };
                finish(to, change, delivered)
            }
            Err(why) => {
                let mut letter = letter.clone();
                letter.error = format!("{}; nobody was told: {why}", letter.error);
                at.keep(key, &letter, *was_started)
            }
        },
        Settlement::Dead {
            letter,
            was_started,
        } => at.keep(key, letter, *was_started),
        Settlement::Again(again) => put_back(to, key, again),
    }
}

impl Settlement {
    /// The objects that it puts.
    pub(super) fn deposits(&self) -> Vec<Deposit> {
        match self {
            // Buckets are told of failures only.
            Settlement::Failed { told, .. } => deposits(told.iter().flatten()),
            _ => Vec::new(),
        }
    }
}

impl Settling<'_> {
    /// In brief where there is no room for more; otherwise as what the event is kept.
    fn tell_of_success(
        &self,
        key: Key,
        told: &Told,
        now: Timestamp,
    ) -> Result<Result<Delivered, DeadLetter>, Error> {
        let freed = size(self.to, key).doing("measure event")?;
        let size = |all: &[Delivery]| all.iter().map(Delivery::size).sum::<u64>() as i64;
        let mut why = None;
        if self.has_room(size(&told.whole), freed)? {
            match deliver_whole(self.to, self.messages, &told.whole, now)? {
                Ok(delivered) => return Ok(Ok(delivered)),
                Err(refusal) => why = Some(refusal),
            }
        }
        if matches!(why, None | Some(Refusal::TooLarge { .. }))
            && let Some(brief) = &told.brief
        {
            match deliver_whole(self.to, self.messages, brief, now)? {
                Ok(delivered) => return Ok(Ok(delivered)),
                Err(refusal) => why = Some(refusal),
            }
        }
        let why = why.map_or_else(
            || "the queue is full".to_owned(),
            |refusal| refusal.to_string(),
        );
        tracing::warn!(
            why,
            "a destination does not take what tells of an event's success"
        );
        let mut letter = told.otherwise.clone();
        letter.error = format!("{}: {why}", letter.error);
        Ok(Err(letter))
    }

    /// Those that can be told, and how many could not; when none could, why.
    fn tell_of_failure(
        &self,
        key: Key,
        told: &[Vec<Delivery>],
        now: Timestamp,
    ) -> Result<Result<(Delivered, i64), String>, Error> {
        let freed = size(self.to, key).doing("measure event")?;
        let (mut delivered, mut refused, mut taken) = (Delivered::default(), Vec::new(), 0);
        for one in told {
            let bytes: u64 = one.iter().map(Delivery::size).sum();
            if !self.has_room(taken + bytes as i64, freed)? {
                refused.push("the queue is full".to_owned());
                continue;
            }
            match deliver_whole(self.to, self.messages, one, now)? {
                Ok(more) => {
                    delivered.add(more);
                    taken += bytes as i64;
                }
                Err(refusal) => {
                    tracing::warn!(%refusal, "a destination does not take what tells of an event's failure");
                    refused.push(refusal.to_string());
                }
            }
        }
        Ok(match refused.len() < told.len() {
            true => Ok((delivered, refused.len() as i64)),
            false => Err(refused.join("; ")),
        })
    }

    fn keep(&self, key: Key, letter: &DeadLetter, was_started: bool) -> Result<Settled, Error> {
        let has_room = self.has_room(letter.error.len() as i64, 0)?;
        let error = if has_room { letter.error.as_str() } else { "" };
        bury(self.to, key, letter, error, was_started).doing("keep dead letter")?;
        let change = Change {
            untold: i64::from(letter.reason == Reason::DestinationNotTold),
            ..Change::dead(error.len() as i64)
        };
        finish(self.to, change, Delivered::default())
    }

    fn has_room(&self, bytes: i64, freed: i64) -> Result<bool, Error> {
        has_room(self.to, bytes, freed, self.bytes_max).doing("look for room")
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

/// Counts the end, and what was delivered of it.
fn finish(to: &Connection, change: Change, delivered: Delivered) -> Result<Settled, Error> {
    let change = (change + delivered.change).count(to)?;
    Ok(Settled {
        change,
        arrivals: Vec::new(),
        delivered,
    })
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
        delivered: Delivered::default(),
    })
}
