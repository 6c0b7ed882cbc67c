//! Changes how long messages that were received are hidden from others.

use std::time::Duration;

use kiln_types::{QueueId, Timestamp};
use rusqlite::{Connection, params};

use super::Messages;
use super::counts::Place;
use super::effects::Effects;
use super::lane;
use super::receipt::Receipt;
use super::registry::MessageQueue;
use super::remove::{ReceiptError, held};
use crate::error::{Doing, Error};

/// How long a message may be hidden since it was received (API reference, `ChangeMessageVisibility`).
pub const VISIBILITY_MAX: Duration = Duration::from_secs(12 * 60 * 60);

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// It was made.
    Done,
    /// The receipt is of another queue.
    OtherQueue,
    /// The message is gone, or was received again since.
    Gone,
    /// It would be hidden longer than [`VISIBILITY_MAX`] since it was received.
    TooLong,
}

impl Messages {
    /// Has messages that were received hidden for so long from `now` on; with no time at all they can be
    /// received at once. As of a receive, a power cut may undo it.
    pub async fn change_visibility(
        &self,
        queue: &QueueId,
        changes: Vec<(Receipt, Duration)>,
        now: Timestamp,
    ) -> Result<Vec<Changed>, ReceiptError> {
        let live = self.registry.get(queue);
        let live = live.ok_or_else(|| ReceiptError::NoQueue(queue.clone()))?;
        let work = move |to: &Connection| {
            let mut effects = Effects::default();
            let mut results = Vec::new();
            for (receipt, timeout) in &changes {
                let changed = change(to, &live.queue, receipt, *timeout, now, &mut effects);
                results.push(changed?);
            }
            Ok::<_, ReceiptError>((results, effects))
        };
        let messages = self.clone();
        let publish = move |(_, effects): &(Vec<Changed>, Effects)| messages.publish(effects);
        let changed = self
            .database
            .write_to_kernel("change visibility", work, publish);
        changed.await.map(|(results, _)| results)
    }
}

fn change(
    to: &Connection,
    queue: &MessageQueue,
    receipt: &Receipt,
    timeout: Duration,
    now: Timestamp,
    effects: &mut Effects,
) -> Result<Changed, Error> {
    if receipt.queue != queue.number {
        return Ok(Changed::OtherQueue);
    }
    let held = match receipt.epoch == queue.epoch {
        true => held(to, receipt).doing("look for a received message")?,
        false => None,
    };
    let Some(held) = held.filter(|held| held.due > now || !queue.is_fifo()) else {
        return Ok(Changed::Gone);
    };
    let due = now + timeout;
    if due > held.last + VISIBILITY_MAX && due > held.due {
        return Ok(Changed::TooLong);
    }
    let update = "UPDATE message_held SET due = ?2 WHERE id = ?1";
    to.prepare_cached(update)
        .and_then(|mut update| update.execute(params![receipt.key.0, due.as_millis()]))
        .doing("change visibility")?;
    effects.moved(queue, Place::Received(held.due), Place::Received(due));
    if queue.is_fifo() {
        lane::settle(to, receipt.key.lane(), now)?;
    }
    effects.wakes(queue);
    Ok(Changed::Done)
}
