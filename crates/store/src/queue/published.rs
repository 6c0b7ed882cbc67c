//! Knows what was published to FIFO topics, for as long as it may be published again without effect.
//!
//! That a message was published is kept in the transaction that delivers it, so that neither is without the other.

use std::time::Duration;

use kiln_types::{MessageId, Timestamp, TopicId};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::{Doing, Error};

/// How long a message is known (SNS developer guide, "Message deduplication for FIFO topics").
const KNOWN_FOR: Duration = Duration::from_secs(300);
/// What one takes, about.
pub(super) const BYTES: u64 = 160;
/// Forgotten in one transaction.
const PART_MAX: i64 = 1_024;

/// The table, as a migration of `queue.db`.
pub(crate) const TABLES: &str = "
    CREATE TABLE published (
        account TEXT NOT NULL,
        topic TEXT NOT NULL,
        digest BLOB NOT NULL,
        message_id BLOB NOT NULL,
        number INTEGER NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (account, topic, digest)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX published_at ON published (at);
    -- The last number of each topic, which outlives the rows above.
    CREATE TABLE published_last (
        account TEXT NOT NULL,
        topic TEXT NOT NULL,
        number INTEGER NOT NULL,
        PRIMARY KEY (account, topic)
    ) STRICT, WITHOUT ROWID;
";

/// A message that was published to a FIFO topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// To which.
    pub topic: TopicId,
    /// By what it is known again: of its deduplication id, and where those are a group's own, of its group.
    pub digest: [u8; 16],
    /// Names it.
    pub id: MessageId,
    /// Its place in the topic's order.
    pub number: u64,
}

/// The number of the last message of a topic, and of each digest the message that was published under it.
pub(super) fn find(
    from: &Connection,
    topic: &TopicId,
    digests: &[[u8; 16]],
    now: Timestamp,
) -> rusqlite::Result<(u64, Vec<Option<Published>>)> {
    let (account, name) = (topic.account.as_str(), topic.name.as_str());
    let last = "SELECT number FROM published_last WHERE account = ?1 AND topic = ?2";
    let last: Option<i64> = from
        .prepare_cached(last)?
        .query_row([account, name], |row| row.get(0))
        .optional()?;
    let select = "SELECT message_id, number FROM published
        WHERE account = ?1 AND topic = ?2 AND digest = ?3 AND at > ?4";
    let since = now.as_millis() - KNOWN_FOR.as_millis() as i64;
    let mut select = from.prepare_cached(select)?;
    let mut known = Vec::with_capacity(digests.len());
    for digest in digests {
        let found = select.query_row(params![account, name, digest, since], |row| {
            Ok(Published {
                topic: topic.clone(),
                digest: *digest,
                id: MessageId::from_bytes(row.get(0)?),
                number: row.get::<_, i64>(1)?.max(0) as u64,
            })
        });
        known.push(found.optional()?);
    }
    Ok((last.unwrap_or(0).max(0) as u64, known))
}

/// Keeps that something was published; forgets some of what is known no longer.
pub(super) fn remember(to: &Connection, one: &Published, now: Timestamp) -> Result<(), Error> {
    let remember = || {
        let (account, name) = (one.topic.account.as_str(), one.topic.name.as_str());
        let over = "DELETE FROM published WHERE (account, topic, digest) IN
            (SELECT account, topic, digest FROM published WHERE at <= ?1 LIMIT ?2)";
        let since = now.as_millis() - KNOWN_FOR.as_millis() as i64;
        to.prepare_cached(over)?.execute([since, PART_MAX])?;
        let put =
            "INSERT OR REPLACE INTO published (account, topic, digest, message_id, number, at)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let (number, at) = (one.number as i64, now.as_millis());
        let by = params![account, name, one.digest, one.id.as_bytes(), number, at];
        to.prepare_cached(put)?.execute(by)?;
        let last =
            "INSERT OR REPLACE INTO published_last (account, topic, number) VALUES (?1, ?2, ?3)";
        to.prepare_cached(last)?
            .execute(params![account, name, number])
    };
    remember().doing("keep what was published")?;
    Ok(())
}
