//! Removes messages: those that were handled, and those that are too old.

use kiln_types::{QueueId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::Messages;
use super::counts::Place;
use super::effects::Effects;
use super::key::Key;
use super::lane;
use super::receipt::Receipt;
use super::registry::MessageQueue;
use crate::error::{Doing, Error};
use crate::queue::drop_body;

/// What a receipt was good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipted {
    /// It was used; the message may have been gone before.
    Done,
    /// It is of another queue.
    OtherQueue,
    /// The message is not what it was when the receipt was given: it was received again, is gone, or of a
    /// FIFO queue may be received again.
    Expired,
}

/// Why nothing was done with receipts.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// There is no such queue.
    #[error("message queue {0} does not exist")]
    NoQueue(QueueId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// A message that is held.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) due: Timestamp,
    /// When it was first received, and when last.
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}

impl Messages {
    /// Removes messages that were handled; it is on disk when this returns. A message of a standard queue
    /// that was received again since stays, and is told to be done: whoever has it now removes it.
    pub async fn delete(
        &self,
        queue: &QueueId,
        receipts: Vec<Receipt>,
        now: Timestamp,
    ) -> Result<Vec<Receipted>, ReceiptError> {
        let live = self.registry.get(queue);
        let live = live.ok_or_else(|| ReceiptError::NoQueue(queue.clone()))?;
        let messages = self.clone();
        let work = move |to: &Connection| {
            let mut effects = Effects::default();
            let mut results = Vec::new();
            for receipt in &receipts {
                results.push(delete(to, &live.queue, receipt, now, &mut effects)?);
            }
            count_gone(to, &live.queue, &effects)?;
            messages.count_bytes(to, &effects)?;
            Ok::<_, ReceiptError>((results, effects))
        };
        let messages = self.clone();
        let publish = move |(_, effects): &(Vec<Receipted>, Effects)| messages.publish_all(effects);
        let deleted = self.database.write_then("delete messages", work, publish);
        deleted.await.map(|(results, _)| results)
    }
}

fn delete(
    to: &Connection,
    queue: &MessageQueue,
    receipt: &Receipt,
    now: Timestamp,
    effects: &mut Effects,
) -> Result<Receipted, Error> {
    if receipt.queue != queue.number {
        return Ok(Receipted::OtherQueue);
    }
    if receipt.epoch != queue.epoch {
        return Ok(Receipted::Done);
    }
    let is_fifo = queue.is_fifo();
    let until = release(to, receipt, is_fifo.then_some(now)).doing("release message")?;
    match until {
        Some(until) => {
            remove_released(to, queue, receipt.key, Place::Received(until), effects)?;
            if is_fifo {
                lane::settle(to, receipt.key.lane(), now)?;
                effects.wakes(queue);
            }
            Ok(Receipted::Done)
        }
        // Numbers are never used again: what has no such message had one that is gone.
        None if is_fifo && exists(to, receipt).doing("look for a message")? => {
            Ok(Receipted::Expired)
        }
        None => Ok(Receipted::Done),
    }
}

/// Gives up the hold of a receipt, if it is the last there was and, where that counts, the message is
/// hidden still; tells until when it was.
fn release(
    to: &Connection,
    receipt: &Receipt,
    hidden_at: Option<Timestamp>,
) -> rusqlite::Result<Option<Timestamp>> {
    let delete = "DELETE FROM message_held WHERE id = ?1 AND received = ?2
        AND (SELECT epoch FROM message_lane l WHERE l.id = lane) = ?3 AND due > ?4 RETURNING due";
    let hidden_at = hidden_at.map_or(i64::MIN, Timestamp::as_millis);
    let by = params![receipt.key.0, receipt.received, receipt.epoch, hidden_at];
    let due = |row: &rusqlite::Row<'_>| row.get(0).map(Timestamp::from_millis);
    to.prepare_cached(delete)?.query_row(by, due).optional()
}

/// The message, when nobody received it since. Lanes are used again, by other queues too: an epoch has
/// those of one.
pub(super) fn held(from: &Connection, receipt: &Receipt) -> rusqlite::Result<Option<Held>> {
    let select = "SELECT due, first, last FROM message_held h WHERE h.id = ?1 AND received = ?2
        AND (SELECT epoch FROM message_lane WHERE id = h.lane) = ?3";
    let held = |row: &rusqlite::Row<'_>| {
        Ok(Held {
            due: Timestamp::from_millis(row.get(0)?),
            first: Timestamp::from_millis(row.get(1)?),
            last: Timestamp::from_millis(row.get(2)?),
        })
    };
    let by = params![receipt.key.0, receipt.received, receipt.epoch];
    from.prepare_cached(select)?.query_row(by, held).optional()
}

fn exists(from: &Connection, receipt: &Receipt) -> rusqlite::Result<bool> {
    let select = "SELECT 1 FROM message WHERE id = ?1
        AND (SELECT epoch FROM message_lane WHERE id = ?2) = ?3";
    let by = params![receipt.key.0, receipt.key.lane().0, receipt.epoch];
    from.prepare_cached(select)?.exists(by)
}

/// Removes a message, held or not; the caller counts it.
pub(super) fn remove(
    to: &Connection,
    queue: &MessageQueue,
    key: Key,
    from: Place,
    effects: &mut Effects,
) -> Result<(), Error> {
    if from != Place::Fresh {
        let delete = "DELETE FROM message_held WHERE id = ?1";
        to.prepare_cached(delete)
            .and_then(|mut delete| delete.execute([key.0]))
            .doing("release message")?;
    }
    remove_released(to, queue, key, from, effects)
}

fn remove_released(
    to: &Connection,
    queue: &MessageQueue,
    key: Key,
    from: Place,
    effects: &mut Effects,
) -> Result<(), Error> {
    let remove = || {
        let delete = "DELETE FROM message WHERE id = ?1 RETURNING bytes, body_id";
        let (bytes, body): (i64, Option<i64>) = to
            .prepare_cached(delete)?
            .query_row([key.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
        drop_body(to, body)?;
        Ok(bytes)
    };
    effects.bytes -= remove().doing("remove message")?;
    effects.moved(queue, from, Place::Gone);
    Ok(())
}

/// Counts the messages of a queue that are gone, in the change that removed them.
pub(super) fn count_gone(
    to: &Connection,
    queue: &MessageQueue,
    effects: &Effects,
) -> Result<(), Error> {
    let gone = effects.gone(queue.epoch);
    if gone == 0 {
        return Ok(());
    }
    let update = "UPDATE message_epoch SET messages = messages - ?2 WHERE id = ?1";
    to.prepare_cached(update)
        .and_then(|mut update| update.execute([queue.epoch, gone]))
        .doing("count messages")?;
    Ok(())
}
