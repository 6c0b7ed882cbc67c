//! Puts messages into their queues.

use std::time::Duration;

use kiln_types::{MessageId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::counts::Place;
use super::deduplicate::{self, Identity};
use super::effects::Effects;
use super::key::{Key, NUMBER_MAX};
use super::message::NewMessage;
use super::registry::MessageQueue;
use super::{Messages, Refusal, definition, delay, lane};
use crate::error::{Doing, Error};
use crate::queue::{Full, Room, put_body};

/// A message that is in its queue, or was within five minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Names it: where it was sent before, the one of then.
    pub id: MessageId,
    /// Its place in the order of a FIFO queue.
    pub number: Option<u64>,
}

/// Why a message was not sent. It is in no queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Its queue does not take it.
    #[error(transparent)]
    Refused(Refusal),
    /// There is no room.
    #[error(transparent)]
    Full(#[from] Full),
}

/// Why a message was not sent, in a change that may do something else then.
#[derive(Debug)]
pub(crate) enum NotSent {
    /// Nothing was changed.
    Refused(Refusal),
    /// The change must be given up.
    Store(Error),
}

impl From<Refusal> for NotSent {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Error> for NotSent {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl Messages {
    /// Sends messages, each for itself, in their order; those sent are on disk when this returns. When the
    /// store fails none is sent.
    pub async fn send(
        &self,
        all: Vec<NewMessage>,
        now: Timestamp,
    ) -> Result<Vec<Result<Sent, SendError>>, Error> {
        if all.is_empty() {
            return Ok(Vec::new());
        }
        let take = |message: &NewMessage| self.held.take(message.size());
        let rooms: Vec<Result<Room, Full>> = all.iter().map(take).collect();
        let have_room: Vec<bool> = rooms.iter().map(Result::is_ok).collect();
        let messages = self.clone();
        let work = move |to: &Connection| {
            let mut effects = Effects::default();
            let mut results = Vec::new();
            let with_room = all.iter().zip(have_room).filter(|(_, has_room)| *has_room);
            for (message, _) in with_room {
                // Who is refused has changed nothing.
                results.push(match send(to, &messages, message, now, &mut effects) {
                    Ok(sent) => Ok(sent),
                    Err(NotSent::Refused(refusal)) => Err(refusal),
                    Err(NotSent::Store(error)) => return Err(error),
                });
            }
            messages.count_bytes(to, &effects)?;
            Ok((results, effects))
        };
        let (room, full): (Vec<_>, Vec<_>) = rooms.into_iter().map(split).unzip();
        let messages = self.clone();
        let publish = move |(_, effects): &(Vec<_>, Effects)| {
            messages.publish_all(effects);
            // Only now, so that it is never given away twice.
            drop(room);
        };
        let sent = self.database.write_then("send messages", work, publish);
        let mut sent = sent.await?.0.into_iter();
        let mut result = |full: Option<Full>| match full {
            Some(full) => Err(full.into()),
            None => sent
                .next()
                .expect("one for each with room")
                .map_err(SendError::Refused),
        };
        Ok(full.into_iter().map(&mut result).collect())
    }
}

fn split(room: Result<Room, Full>) -> (Option<Room>, Option<Full>) {
    match room {
        Ok(room) => (Some(room), None),
        Err(full) => (None, Some(full)),
    }
}

/// Keeps a message; the caller counts what it takes.
pub(crate) fn send(
    to: &Connection,
    messages: &Messages,
    message: &NewMessage,
    now: Timestamp,
    effects: &mut Effects,
) -> Result<Sent, NotSent> {
    let no_queue = || Refusal::NoQueue(message.queue.clone());
    if let Some(live) = messages.registry.get(&message.queue)
        && let Some(sent) = send_to(to, &live.queue, message, now, effects)?
    {
        return Ok(sent);
    }
    // What is in memory lags behind changes that are committed together with this one.
    let queue = definition::find(to, &message.queue)?.ok_or_else(no_queue)?;
    Ok(send_to(to, &queue, message, now, effects)?.ok_or_else(no_queue)?)
}

/// Nothing when the queue's epoch is over.
fn send_to(
    to: &Connection,
    queue: &MessageQueue,
    message: &NewMessage,
    now: Timestamp,
    effects: &mut Effects,
) -> Result<Option<Sent>, NotSent> {
    let identity = check(queue, message)?;
    if let Some(identity) = &identity
        && let Some(known) = deduplicate::find(to, queue, identity, now)?
    {
        return Ok(Some(Sent {
            id: known.id,
            number: Some(known.number as u64),
        }));
    }
    let Some(number) = take_number(to, queue.epoch)? else {
        return Ok(None);
    };
    if let Some(identity) = &identity {
        deduplicate::remember(to, queue, identity, (message.id, number), now)?;
        effects.bytes += deduplicate::BYTES;
    }
    insert(to, queue, message, identity, (number, now), effects)?;
    Ok(Some(Sent {
        id: message.id,
        number: queue.is_fifo().then_some(number as u64),
    }))
}

/// Whether a queue takes such a message, and by what it knows it again.
fn check(queue: &MessageQueue, message: &NewMessage) -> Result<Option<Identity>, Refusal> {
    let bytes_max = queue.settings.bytes_max;
    if message.payload_size() > u64::from(bytes_max) {
        return Err(Refusal::TooLarge { bytes_max });
    }
    let Some(fifo) = &queue.settings.fifo else {
        return Ok(None);
    };
    if message.group.is_none() {
        return Err(Refusal::NoGroup);
    }
    match deduplicate::identity(fifo, message) {
        Some(identity) => Ok(Some(identity)),
        None => Err(Refusal::NoDeduplication),
    }
}

/// The next number of a queue, which has one message more; none when its epoch is over.
pub(super) fn take_number(to: &Connection, epoch: i64) -> Result<Option<i64>, Error> {
    let update = "UPDATE message_epoch SET next = next + 1, messages = messages + 1
        WHERE id = ?1 AND is_current RETURNING next - 1";
    let number = to.prepare_cached(update).and_then(|mut update| {
        let number = |row: &rusqlite::Row<'_>| row.get(0);
        update.query_row([epoch], number).optional()
    });
    match number.doing("number message")? {
        Some(number) if number > NUMBER_MAX => Err(Error::Damaged {
            what: "a message queue".to_owned(),
            why: "all its numbers were used; make another".to_owned(),
        }),
        number => Ok(number),
    }
}

fn insert(
    to: &Connection,
    queue: &MessageQueue,
    message: &NewMessage,
    identity: Option<Identity>,
    (number, now): (i64, Timestamp),
    effects: &mut Effects,
) -> Result<(), Error> {
    let delay_of = match queue.is_fifo() {
        true => None,
        false => message.delay,
    };
    let delay_of = delay_of.unwrap_or(Duration::from_secs(queue.settings.delay_secs.into()));
    let due = now + delay_of;
    let found = lane::of(to, queue, message.group.as_deref(), due)?;
    let key = found.lane.key(number);
    let deduplication = identity.map(|identity| identity.id);
    let deduplication = deduplication.or_else(|| message.deduplication.clone());
    put(to, key, message, deduplication, now)?;
    effects.bytes += message.bytes();
    if delay_of.is_zero() {
        effects.moved(queue, Place::Gone, Place::Fresh);
    } else {
        delay::delay(to, key, due).doing("delay message")?;
        effects.moved(queue, Place::Gone, Place::Delayed(due));
    }
    // A group of which something is in flight has nothing for anybody.
    if !queue.is_fifo() || found.ready <= due {
        effects.wakes(queue);
    }
    Ok(())
}

fn put(
    to: &Connection,
    key: Key,
    message: &NewMessage,
    deduplication: Option<String>,
    now: Timestamp,
) -> Result<(), Error> {
    let body = put_body(to, message.body.as_bytes())?;
    let insert = "INSERT INTO message (id, message_id, sent, head, bytes, body_id, body)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    to.prepare_cached(insert)
        .and_then(|mut insert| {
            insert.execute(params![
                key.0,
                message.id.as_bytes(),
                now.as_millis(),
                message.head(deduplication),
                message.bytes(),
                body.id,
                body.inline
            ])
        })
        .doing("keep message")?;
    Ok(())
}
