//! Moves messages from queue to queue: to a dead-letter queue, and on from it.

use std::sync::Arc;

use kiln_types::{MessageId, Timestamp};
use rusqlite::{Connection, params};

use super::Messages;
use super::counts::Place;
use super::effects::Effects;
use super::key::Key;
use super::lane;
use super::message::Head;
use super::registry::MessageQueue;
use super::send::take_number;
use crate::error::{Doing, Error};

/// Where messages go that were received too often.
pub(super) struct Target {
    queue: Arc<MessageQueue>,
    /// How often a message is received before.
    pub(super) receives_max: u32,
}

/// A queue's dead-letter queue, if it has one that is there and of its kind.
pub(super) fn target(messages: &Messages, queue: &MessageQueue) -> Option<Target> {
    let redrive = queue.settings.redrive.as_ref()?;
    let live = messages.registry.get(&redrive.dead_letters.queue)?;
    let is_fit = live.queue.is_fifo() == queue.is_fifo() && live.queue.id != queue.id;
    is_fit.then_some(Target {
        queue: live.queue,
        receives_max: redrive.receives_max,
    })
}

impl Target {
    /// Makes a message a dead letter; tells whether it did: the dead-letter queue may just be going. When it
    /// was sent stays, but in FIFO queues (developer guide, "Setting-up dead-letter queue retention").
    pub(super) fn take(
        &self,
        to: &Connection,
        from: &MessageQueue,
        key: Key,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<bool, Error> {
        let Some(number) = take_number(to, self.queue.epoch)? else {
            return Ok(false);
        };
        let change = |head: &mut Head| head.source = Some(from.id.clone());
        let sent = self.queue.is_fifo().then_some(now);
        let mut moving = Moving { to, now, effects };
        let row = moving.read(key)?;
        moving.put(row, &self.queue, number, change, (None, sent))?;
        Ok(true)
    }
}

/// A message that is on its way to another queue.
pub(super) struct Row {
    key: Key,
    pub(super) head: Head,
    head_bytes: usize,
}

/// A change that moves messages.
pub(super) struct Moving<'a> {
    pub(super) to: &'a Connection,
    pub(super) now: Timestamp,
    pub(super) effects: &'a mut Effects,
}

impl Moving<'_> {
    pub(super) fn read(&self, key: Key) -> Result<Row, Error> {
        let select = "SELECT head FROM message WHERE id = ?1";
        let head: rusqlite::Result<String> = self
            .to
            .prepare_cached(select)
            .and_then(|mut select| select.query_row([key.0], |row| row.get(0)));
        let head = head.doing("read message")?;
        Ok(Row {
            key,
            head_bytes: head.len(),
            head: Head::read(&head).doing("read message")?,
        })
    }

    /// Puts a message into another queue, under a number of it; its old queue counts it as gone. It may get
    /// another id and another time at which it was sent.
    pub(super) fn put(
        &mut self,
        row: Row,
        queue: &MessageQueue,
        number: i64,
        change: impl FnOnce(&mut Head),
        (id, sent): (Option<MessageId>, Option<Timestamp>),
    ) -> Result<(), Error> {
        let mut head = row.head;
        change(&mut head);
        let lane = lane::of(self.to, queue, head.group.as_deref(), self.now)?.lane;
        let head = head.text();
        let more = head.len() as i64 - row.head_bytes as i64;
        let key = lane.key(number);
        let put = || {
            let insert = "INSERT INTO message (id, message_id, sent, head, bytes, body_id, body)
                SELECT ?2, coalesce(?3, message_id), coalesce(?4, sent), ?5, bytes + ?6, body_id, body
                FROM message WHERE id = ?1";
            self.to.prepare_cached(insert)?.execute(params![
                row.key.0,
                key.0,
                id.map(|id| id.as_bytes().to_vec()),
                sent.map(Timestamp::as_millis),
                head,
                more
            ])?;
            for delete in [
                "DELETE FROM message WHERE id = ?1",
                "DELETE FROM message_held WHERE id = ?1",
            ] {
                self.to.prepare_cached(delete)?.execute([row.key.0])?;
            }
            Ok(())
        };
        put().doing("move message")?;
        self.effects.bytes += more;
        self.effects.moved(queue, Place::Gone, Place::Fresh);
        self.effects.wakes(queue);
        Ok(())
    }
}
