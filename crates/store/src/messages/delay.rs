//! Messages that are hidden from all for a while after they were sent.
//!
//! A delay that is changed counts for what is sent from then on; in a FIFO queue also for what is there
//! (API reference, `SetQueueAttributes`).

use std::time::Duration;

use kiln_types::Timestamp;
use rusqlite::{Connection, params};

use super::counts::Place;
use super::effects::Effects;
use super::key::{Key, Lane};
use super::lane;
use super::registry::MessageQueue;
use crate::error::{Doing, Error};

/// Hides a message that was just sent.
pub(super) fn delay(to: &Connection, key: Key, until: Timestamp) -> rusqlite::Result<()> {
    let insert = "INSERT INTO message_held (id, lane, due, received, first, last)
        VALUES (?1, ?2, ?3, 0, 0, 0)";
    let by = params![key.0, key.lane().0, until.as_millis()];
    to.prepare_cached(insert)?.execute(by)?;
    Ok(())
}

/// A FIFO queue's messages that nobody has received are hidden as long as its new delay says. Reads
/// them all.
pub(super) fn changed(
    to: &Connection,
    queue: &MessageQueue,
    before_secs: u32,
    now: Timestamp,
    effects: &mut Effects,
) -> Result<(), Error> {
    let secs = queue.settings.delay_secs;
    if !queue.is_fifo() || secs == before_secs {
        return Ok(());
    }
    let delay_of = Duration::from_secs(secs.into());
    let young = young(to, queue, now, secs.max(before_secs)).doing("find delayed messages")?;
    for (key, sent, was_until) in young {
        let until = sent + delay_of;
        let change = || {
            to.prepare_cached("DELETE FROM message_held WHERE id = ?1")?
                .execute([key.0])?;
            match until > now {
                true => delay(to, key, until),
                false => Ok(()),
            }
        };
        change().doing("delay message")?;
        let place = |until: Option<Timestamp>| until.map_or(Place::Fresh, Place::Delayed);
        effects.moved(
            queue,
            place(was_until),
            place(Some(until).filter(|until| *until > now)),
        );
        lane::settle(to, key.lane(), now)?;
    }
    effects.wakes(queue);
    Ok(())
}

/// Messages that were sent within so many seconds and never received: when, and until when they are
/// hidden.
type Young = Vec<(Key, Timestamp, Option<Timestamp>)>;

fn young(
    from: &Connection,
    queue: &MessageQueue,
    now: Timestamp,
    secs: u32,
) -> rusqlite::Result<Young> {
    let since = now.as_millis() - i64::from(secs) * 1_000;
    let mut lanes = from.prepare_cached("SELECT id FROM message_lane WHERE epoch = ?1")?;
    let lanes = lanes.query_map([queue.epoch], |row| row.get(0).map(Lane))?;
    let mut young = Young::new();
    for lane in lanes {
        let (first, last) = lane?.keys();
        let mut select = from.prepare_cached(
            "SELECT m.id, m.sent, h.due FROM message m LEFT JOIN message_held h ON h.id = m.id
             WHERE m.id BETWEEN ?1 AND ?2 AND m.sent > ?3 AND coalesce(h.received, 0) = 0",
        )?;
        let rows = select.query_map([first, last, since], |row| {
            let due: Option<i64> = row.get(2)?;
            let sent = Timestamp::from_millis(row.get(1)?);
            Ok((Key(row.get(0)?), sent, due.map(Timestamp::from_millis)))
        })?;
        for row in rows {
            young.push(row?);
        }
    }
    Ok(young)
}
