//! Puts messages into their queues.

use kiln_types::{MessageId, QueueId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::counts::Place;
use super::lane;
use super::message::NewMessage;
use super::registry::{self, MessageQueue};
use super::{Messages, Refusal};
use crate::error::{Doing, Error};
use crate::queue::put_body;

/// A message that is in its queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Names it.
    pub id: MessageId,
    /// Its place in the order of a FIFO queue.
    pub number: Option<u64>,
    pub(super) queue: QueueId,
    pub(super) epoch: i64,
    pub(super) to: Place,
    pub(super) bytes: u64,
}

/// Why a message was not sent, or that the store failed.
#[derive(Debug)]
pub(crate) enum SendError {
    Refused(Refusal),
    Store(Error),
}

impl From<Error> for SendError {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl Sent {
    /// What it counts against the size of the queue.
    pub(crate) fn bytes(&self) -> i64 {
        self.bytes as i64
    }
}

/// Keeps a message.
pub(crate) fn send(
    to: &Connection,
    messages: &Messages,
    message: &NewMessage,
    now: Timestamp,
) -> Result<Sent, SendError> {
    let refused = |refusal| SendError::Refused(refusal);
    let known = messages.registry.get(&message.queue).map(|live| live.queue);
    if let Some(queue) = known {
        check(&queue, message).map_err(refused)?;
        if let Some(number) = take_number(to, queue.epoch)? {
            return Ok(insert(to, &queue, message, number, now)?);
        }
    }
    // What is in memory lags behind changes that are committed together with this one.
    let found = registry::find(to, &message.queue)?;
    let queue = found.ok_or_else(|| refused(Refusal::NoQueue(message.queue.clone())))?;
    check(&queue, message).map_err(refused)?;
    match take_number(to, queue.epoch)? {
        Some(number) => Ok(insert(to, &queue, message, number, now)?),
        None => Err(SendError::Store(Error::Damaged {
            what: format!("message queue {}", queue.id),
            why: "its messages are not counted".to_owned(),
        })),
    }
}

/// Whether a queue takes such a message.
fn check(queue: &MessageQueue, message: &NewMessage) -> Result<(), Refusal> {
    let bytes_max = queue.settings.bytes_max;
    if message.payload_size() > u64::from(bytes_max) {
        return Err(Refusal::TooLarge { bytes_max });
    }
    match &queue.settings.fifo {
        Some(_) if message.group.is_none() => Err(Refusal::NoGroup),
        Some(fifo) if message.deduplication.is_none() && !fifo.deduplicates_by_content => {
            Err(Refusal::NoDeduplication)
        }
        _ => Ok(()),
    }
}

/// The next number of a queue, one message more; none when its epoch is over.
fn take_number(to: &Connection, epoch: i64) -> Result<Option<i64>, Error> {
    let update = "UPDATE message_epoch SET next = next + 1, messages = messages + 1
        WHERE id = ?1 AND is_current RETURNING next - 1";
    to.prepare_cached(update)
        .and_then(|mut update| update.query_row([epoch], |row| row.get(0)).optional())
        .doing("number message")
}

fn insert(
    to: &Connection,
    queue: &MessageQueue,
    message: &NewMessage,
    number: i64,
    now: Timestamp,
) -> Result<Sent, Error> {
    let is_fifo = queue.settings.fifo.is_some();
    let group = message.group.as_deref().filter(|_| is_fifo);
    let lane = lane::of(to, queue.epoch, group.unwrap_or_default(), now)?;
    let key = lane.key(number);
    let body = put_body(to, message.body.as_bytes())?;
    let insert = "INSERT INTO message (id, message_id, sent, head, bytes, body_id, body)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    to.prepare_cached(insert)
        .and_then(|mut insert| {
            insert.execute(params![
                key.0,
                message.id.as_bytes(),
                now.as_millis(),
                message.head(message.deduplication.clone()),
                message.size() as i64,
                body.id,
                body.inline
            ])
        })
        .doing("keep message")?;
    let queue_delay = std::time::Duration::from_secs(queue.settings.delay_secs.into());
    let delay = message.delay.unwrap_or(queue_delay);
    let place = match delay.is_zero() || is_fifo {
        true => Place::Fresh,
        false => Place::Delayed(now + delay),
    };
    if let Place::Delayed(until) = place {
        let insert =
            "INSERT INTO message_held (id, lane, due, received, first) VALUES (?1, ?2, ?3, 0, 0)";
        to.prepare_cached(insert)
            .and_then(|mut insert| insert.execute(params![key.0, lane.0, until.as_millis()]))
            .doing("delay message")?;
    }
    Ok(Sent {
        id: message.id,
        number: is_fifo.then_some(number as u64),
        queue: queue.id.clone(),
        epoch: queue.epoch,
        to: place,
        bytes: message.size(),
    })
}
