//! Knows messages of FIFO queues that are sent again within five minutes.
//!
//! What was sent is kept by spans of five minutes, so that a message is looked for in two of them, and a
//! span that is over is removed as a whole, without an index.

use std::time::Duration;

use kiln_types::{MessageId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::message::NewMessage;
use super::registry::MessageQueue;
use super::settings::Fifo;
use crate::error::{Doing, Error};

/// How long a message is known (developer guide, "Using the message deduplication ID").
const KNOWN_FOR: Duration = Duration::from_secs(300);
/// What one takes, about.
pub(super) const BYTES: i64 = 64;
/// Removed in one transaction.
const PART_MAX: i64 = 4_096;

/// By what a message is known.
pub(super) struct Identity {
    /// What the message shows as its deduplication id.
    pub(super) id: String,
    digest: [u8; 16],
}

/// A message that was sent before.
pub(super) struct Known {
    pub(super) id: MessageId,
    pub(super) number: i64,
}

/// By what a message of a FIFO queue is known; none when it says nothing and its body does not count.
pub(super) fn identity(fifo: &Fifo, message: &NewMessage) -> Option<Identity> {
    let id = match &message.deduplication {
        Some(id) => id.clone(),
        None if fifo.deduplicates_by_content => {
            let digest = Sha256::digest(message.body.as_bytes());
            digest.iter().map(|byte| format!("{byte:02x}")).collect()
        }
        None => return None,
    };
    let group = message
        .group
        .as_deref()
        .filter(|_| fifo.deduplicates_by_group);
    let group = group.unwrap_or_default();
    let mut hash = Sha256::new();
    hash.update((group.len() as u64).to_be_bytes());
    hash.update(group);
    hash.update(&id);
    let digest = hash.finalize()[..16]
        .try_into()
        .expect("a digest is longer");
    Some(Identity { id, digest })
}

fn span(now: Timestamp) -> i64 {
    now.as_millis().div_euclid(KNOWN_FOR.as_millis() as i64)
}

/// The message that was sent before under this identity.
pub(super) fn find(
    from: &Connection,
    queue: &MessageQueue,
    identity: &Identity,
    now: Timestamp,
) -> Result<Option<Known>, Error> {
    let select = "SELECT message_id, number FROM message_sent
        WHERE span IN (?1 - 1, ?1) AND queue = ?2 AND digest = ?3 AND sent > ?4
        ORDER BY sent DESC LIMIT 1";
    let since = now.as_millis() - KNOWN_FOR.as_millis() as i64;
    let by = params![span(now), queue.number, identity.digest, since];
    from.prepare_cached(select)
        .and_then(|mut select| {
            let known = |row: &rusqlite::Row<'_>| {
                Ok(Known {
                    id: MessageId::from_bytes(row.get(0)?),
                    number: row.get(1)?,
                })
            };
            select.query_row(by, known).optional()
        })
        .doing("look for a message sent before")
}

/// Remembers a message.
pub(super) fn remember(
    to: &Connection,
    queue: &MessageQueue,
    identity: &Identity,
    sent: (MessageId, i64),
    now: Timestamp,
) -> Result<(), Error> {
    let insert = "INSERT INTO message_sent (span, queue, digest, sent, message_id, number)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT DO UPDATE SET sent = ?4, message_id = ?5, number = ?6";
    let (id, number) = sent;
    to.prepare_cached(insert)
        .and_then(|mut insert| {
            insert.execute(params![
                span(now),
                queue.number,
                identity.digest,
                now.as_millis(),
                id.as_bytes(),
                number
            ])
        })
        .doing("remember message")?;
    Ok(())
}

/// Forgets all that was sent to queues that are gone; tells how much.
pub(super) fn forget_orphans(to: &Connection) -> Result<i64, Error> {
    let delete = "DELETE FROM message_sent WHERE queue NOT IN (SELECT id FROM message_queue)";
    let deleted = to.execute(delete, []).map(|count| count as i64);
    deleted.doing("forget messages sent before")
}

/// Forgets a part of what nobody can ask for any more; tells how much.
pub(super) fn forget(to: &Connection, now: Timestamp) -> Result<i64, Error> {
    let delete = "DELETE FROM message_sent WHERE (span, queue, digest) IN
        (SELECT span, queue, digest FROM message_sent WHERE span < ?1 - 1 LIMIT ?2)";
    to.prepare_cached(delete)
        .and_then(|mut delete| delete.execute(params![span(now), PART_MAX]))
        .map(|count| count as i64)
        .doing("forget messages sent before")
}
