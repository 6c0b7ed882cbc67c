//! Removes what nobody will ask for: messages that are too old, what was in queues that were purged or
//! deleted, and what was known of messages to know them again.

use std::sync::Arc;

use kiln_types::Timestamp;
use kiln_types::account::AccountId;
use rusqlite::{Connection, OptionalExtension, params};

use super::Messages;
use super::effects::Effects;
use super::key::{Key, Lane, NUMBER_MAX};
use super::queues::QueueError;
use super::receive::Candidate;
use super::registry::MessageQueue;
use super::{deduplicate, lane, remove};
use crate::error::{Doing, Error};
use crate::queue::Change;

/// Messages removed in one transaction.
const PART_MAX: usize = 512;

impl Messages {
    /// Removes messages that are too old, by the first of each group; returns how many. One behind a
    /// younger one, which only a dead-letter queue can have, waits until it is the first or is received. What
    /// one queue's trouble is keeps no other waiting; the last trouble is told.
    pub async fn expire(&self, now: Timestamp) -> Result<u64, Error> {
        let (mut count, mut trouble) = (0, None);
        for queue in self.registry.all() {
            loop {
                match self.expire_part(&queue, now).await {
                    Ok(0) => break,
                    Ok(part) => count += part,
                    Err(error @ (Error::Closed | Error::Stopped(_))) => return Err(error),
                    Err(error) => {
                        tracing::error!(queue = %queue.id, %error, "a queue cannot be swept");
                        trouble = Some(error);
                        break;
                    }
                }
            }
        }
        self.forget_sent(now).await?;
        match trouble {
            None => Ok(count),
            Some(error) => Err(error),
        }
    }

    async fn expire_part(&self, queue: &Arc<MessageQueue>, now: Timestamp) -> Result<u64, Error> {
        let oldest = self.oldest(queue, now);
        let epoch = queue.epoch;
        let find = move |from: &Connection| expired_lanes(from, epoch, oldest);
        let lanes = self
            .database
            .read("look for messages that are too old", find)
            .await?;
        if lanes.is_empty() {
            return Ok(0);
        }
        let (queue, messages) = (queue.clone(), self.clone());
        let work = move |to: &Connection| {
            let mut effects = Effects::default();
            for lane in lanes {
                expire(to, &queue, lane, (oldest, now), &mut effects)?;
            }
            remove::count_gone(to, &queue, &effects)?;
            messages.count_bytes(to, &effects)?;
            Ok::<_, Error>((effects.gone(queue.epoch), effects))
        };
        let messages = self.clone();
        let publish = move |(_, effects): &(i64, Effects)| messages.publish_all(effects);
        let expired = self
            .database
            .write_then("remove messages that are too old", work, publish);
        expired.await.map(|(gone, _)| gone as u64)
    }

    async fn forget_sent(&self, now: Timestamp) -> Result<(), Error> {
        let now = self.aged(now);
        loop {
            let work = move |to: &Connection| {
                let change = Change::bytes(-deduplicate::BYTES * deduplicate::forget(to, now)?);
                change.count(to)
            };
            let held = self.held.clone();
            let publish = move |change: &Change| held.apply(*change);
            let forget = "forget messages sent before";
            let change = self.database.write_then::<_, Error>(forget, work, publish);
            if change.await?.bytes == 0 {
                return Ok(());
            }
        }
    }

    /// Gives back the space of queues that were purged or deleted; returns how many messages it was.
    pub async fn clear(&self) -> Result<u64, Error> {
        let mut count = 0;
        loop {
            let held = self.held.clone();
            let publish = move |part: &Cleared| held.apply(part.change);
            let work = |to: &Connection| clear(to);
            let clear = "remove what is over of message queues";
            let part = self
                .database
                .write_then::<_, Error>(clear, work, publish)
                .await?;
            count += part.messages;
            if part.is_all {
                return Ok(count);
            }
        }
    }

    /// Removes the queues of an account that is erased, with all that is in them and was known of it.
    pub(crate) async fn erase(&self, account: &AccountId) -> Result<(), Error> {
        for queue in self.registry.list(account) {
            match self.remove(&queue.id).await {
                Ok(()) | Err(QueueError::NoQueue(_)) => {}
                Err(QueueError::Store(error)) => return Err(error),
            }
        }
        self.clear().await?;
        let work = move |to: &Connection| {
            Change::bytes(-deduplicate::BYTES * deduplicate::forget_orphans(to)?).count(to)
        };
        let held = self.held.clone();
        let publish = move |change: &Change| held.apply(*change);
        let doing = "forget what was sent to queues that are gone";
        let forgotten = self.database.write_then::<_, Error>(doing, work, publish);
        forgotten.await.map(|_| ())
    }

    /// Waits until a queue was purged or deleted.
    pub async fn something_is_over(&self) {
        self.over.notified().await;
    }
}

/// Some lanes whose first message is too old.
fn expired_lanes(from: &Connection, epoch: i64, oldest: Timestamp) -> rusqlite::Result<Vec<Lane>> {
    let first = "SELECT sent FROM message WHERE id BETWEEN l.id * ?3 AND l.id * ?3 + ?3 - 1
        ORDER BY id LIMIT 1";
    let select =
        format!("SELECT l.id FROM message_lane l WHERE l.epoch = ?1 AND ({first}) <= ?2 LIMIT ?4");
    let mut select = from.prepare_cached(&select)?;
    let by = params![epoch, oldest.as_millis(), NUMBER_MAX + 1, PART_MAX as i64];
    let lanes = select.query_map(by, |row| row.get(0).map(Lane))?;
    lanes.collect()
}

/// Removes the first messages of a lane that are too old.
fn expire(
    to: &Connection,
    queue: &MessageQueue,
    lane: Lane,
    (oldest, now): (Timestamp, Timestamp),
    effects: &mut Effects,
) -> Result<(), Error> {
    let select = "SELECT m.id, m.sent, h.due, h.received, h.first
        FROM message m LEFT JOIN message_held h ON h.id = m.id
        WHERE m.id BETWEEN ?1 AND ?2 ORDER BY m.id LIMIT ?3";
    let (first, last) = lane.keys();
    let found = || {
        let mut select = to.prepare_cached(select)?;
        let by = params![first, last, PART_MAX as i64];
        let rows = select.query_map(by, Candidate::of_row)?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    let found = found().doing("look for messages that are too old")?;
    for one in found.into_iter().take_while(|one| one.sent <= oldest) {
        remove::remove(to, queue, one.key, one.place(), effects)?;
    }
    if queue.is_fifo() {
        lane::settle(to, lane, now)?;
        effects.wakes(queue);
    }
    Ok(())
}

/// A part of what is over.
struct Cleared {
    messages: u64,
    change: Change,
    is_all: bool,
}

fn clear(to: &Connection) -> Result<Cleared, Error> {
    let (mut messages, mut bytes) = (0, 0);
    let is_all = loop {
        if messages >= PART_MAX {
            break false;
        }
        let Some(epoch) = over(to).doing("look for what is over")? else {
            break true;
        };
        let next = "SELECT id FROM message_lane WHERE epoch = ?1 LIMIT 1";
        let lane = to.prepare_cached(next).and_then(|mut next| {
            next.query_row([epoch], |row| row.get(0).map(Lane))
                .optional()
        });
        match lane.doing("look for what is over")? {
            Some(lane) => {
                let (removed, freed) = clear_lane(to, lane, PART_MAX - messages)?;
                messages += removed;
                bytes += freed;
            }
            None => {
                let delete = "DELETE FROM message_epoch WHERE id = ?1";
                to.execute(delete, [epoch])
                    .doing("end epoch of a message queue")?;
            }
        }
    };
    Ok(Cleared {
        messages: messages as u64,
        change: Change::bytes(-bytes).count(to)?,
        is_all,
    })
}

fn over(from: &Connection) -> rusqlite::Result<Option<i64>> {
    from.prepare_cached("SELECT id FROM message_epoch WHERE NOT is_current LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()
}

/// Removes some messages of a lane, and the lane with the last; tells how many they were and what they
/// took.
fn clear_lane(to: &Connection, lane: Lane, count_max: usize) -> Result<(usize, i64), Error> {
    let (first, last) = lane.keys();
    let clear = || {
        let select = "SELECT id, bytes, body_id FROM message WHERE id BETWEEN ?1 AND ?2
            ORDER BY id LIMIT ?3";
        let mut select = to.prepare_cached(select)?;
        let rows = select.query_map(params![first, last, count_max as i64], |row| {
            Ok((
                Key(row.get(0)?),
                row.get::<_, i64>(1)?,
                row.get::<_, Option<i64>>(2)?,
            ))
        })?;
        let rows: Vec<_> = rows.collect::<rusqlite::Result<_>>()?;
        let mut bytes = 0;
        for (key, size, body) in &rows {
            crate::queue::drop_body(to, *body)?;
            for table in ["message", "message_held"] {
                let delete = format!("DELETE FROM {table} WHERE id = ?1");
                to.prepare_cached(&delete)?.execute([key.0])?;
            }
            bytes += size;
        }
        if rows.len() < count_max {
            let delete = "DELETE FROM message_lane WHERE id = ?1";
            to.prepare_cached(delete)?.execute([lane.0])?;
        }
        Ok((rows.len(), bytes))
    };
    clear().doing("remove what is over of message queues")
}
