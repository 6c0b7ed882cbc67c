//! Which message queues there are, on disk.

use std::collections::BTreeMap;

use kiln_types::{QueueId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::counts::{Counts, Place};
use super::registry::{MessageQueue, Registry};
use super::settings::Settings;
use crate::error::{Doing, Error};

const QUEUES: &str = "SELECT q.id, account, name, epoch, created, modified, settings, tags,
    e.messages FROM message_queue q JOIN message_epoch e ON e.id = epoch";

/// All there are, and how many messages they have.
pub(super) fn read(from: &Connection, now: Timestamp) -> rusqlite::Result<Registry> {
    let registry = Registry::default();
    let mut hidden = hidden(from, now)?;
    let mut select = from.prepare(QUEUES)?;
    let rows = select.query_map([], |row| Ok((queue(row)?, row.get::<_, i64>(8)?)))?;
    for row in rows {
        let (queue, messages) = row?;
        let mut counts = Counts::new(messages.max(0) as u64);
        for (place, count) in hidden.remove(&queue.epoch).unwrap_or_default() {
            for _ in 0..count {
                counts.moved(Place::Fresh, place);
            }
        }
        registry.begin(queue, counts);
    }
    Ok(registry)
}

/// How many messages nobody gets at the moment, by epoch and place.
fn hidden(from: &Connection, now: Timestamp) -> rusqlite::Result<BTreeMap<i64, Vec<(Place, u64)>>> {
    let mut select = from.prepare(
        "SELECT l.epoch, h.due, h.received > 0, count(*) FROM message_lane l
         JOIN message_held h ON h.lane = l.id AND h.due > ?1 GROUP BY 1, 2, 3",
    )?;
    let rows = select.query_map([now.as_millis()], |row| {
        let due = Timestamp::from_millis(row.get(1)?);
        let place = match row.get(2)? {
            true => Place::Received(due),
            false => Place::Delayed(due),
        };
        Ok((row.get::<_, i64>(0)?, place, row.get::<_, i64>(3)? as u64))
    })?;
    let mut hidden: BTreeMap<i64, Vec<(Place, u64)>> = BTreeMap::new();
    for row in rows {
        let (epoch, place, count) = row?;
        hidden.entry(epoch).or_default().push((place, count));
    }
    Ok(hidden)
}

fn queue(row: &Row<'_>) -> rusqlite::Result<MessageQueue> {
    let (settings, tags): (String, String) = (row.get(6)?, row.get(7)?);
    Ok(MessageQueue {
        id: queue_id(&row.get::<_, String>(1)?, &row.get::<_, String>(2)?)?,
        settings: serde_json::from_str(&settings).map_err(invalid)?,
        tags: serde_json::from_str(&tags).map_err(invalid)?,
        created: Timestamp::from_millis(row.get(4)?),
        modified: Timestamp::from_millis(row.get(5)?),
        number: row.get(0)?,
        epoch: row.get(3)?,
    })
}

pub(super) fn queue_id(account: &str, name: &str) -> rusqlite::Result<QueueId> {
    Ok(QueueId {
        account: account
            .parse()
            .map_err(invalid::<kiln_types::InvalidName>)?,
        name: name.parse().map_err(invalid::<kiln_types::InvalidName>)?,
    })
}

/// What is kept cannot be read.
pub(super) fn invalid<E>(error: E) -> rusqlite::Error
where
    E: std::error::Error + Send + Sync + 'static,
{
    let text = rusqlite::types::Type::Text;
    rusqlite::Error::FromSqlConversionFailure(0, text, Box::new(error))
}

/// The queue as the changes before this one left it.
pub(super) fn find(from: &Connection, id: &QueueId) -> Result<Option<MessageQueue>, Error> {
    let select = format!("{QUEUES} WHERE account = ?1 AND name = ?2");
    from.prepare_cached(&select)
        .and_then(|mut select| {
            let by = [id.account.as_str(), id.name.as_str()];
            select.query_row(by, queue).optional()
        })
        .doing("find message queue")
}

/// Keeps a queue that is new.
pub(super) fn insert(
    to: &Connection,
    id: QueueId,
    settings: Settings,
    tags: BTreeMap<String, String>,
    now: Timestamp,
) -> Result<MessageQueue, Error> {
    let epoch = begin(to, 1)?;
    let insert = "INSERT INTO message_queue
        (account, name, epoch, created, modified, settings, tags)
        VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6)";
    to.execute(
        insert,
        params![
            id.account.as_str(),
            id.name.as_str(),
            epoch,
            now.as_millis(),
            text(&settings),
            text(&tags),
        ],
    )
    .doing("keep message queue")?;
    Ok(MessageQueue {
        id,
        settings,
        tags,
        created: now,
        modified: now,
        number: to.last_insert_rowid(),
        epoch,
    })
}

/// Keeps what was changed of a queue.
pub(super) fn update(to: &Connection, queue: &MessageQueue) -> Result<(), Error> {
    let update = "UPDATE message_queue SET modified = ?2, settings = ?3, tags = ?4 WHERE id = ?1";
    let by = params![
        queue.number,
        queue.modified.as_millis(),
        text(&queue.settings),
        text(&queue.tags)
    ];
    to.execute(update, by).doing("change message queue")?;
    Ok(())
}

/// Forgets a queue. Its messages are removed later, bit by bit.
pub(super) fn remove(to: &Connection, queue: &MessageQueue) -> Result<(), Error> {
    end(to, queue.epoch)?;
    to.execute("DELETE FROM message_queue WHERE id = ?1", [queue.number])
        .doing("forget message queue")?;
    Ok(())
}

/// Empties a queue: what it holds is of an epoch that is over. Numbers go on.
pub(super) fn purge(to: &Connection, queue: &mut MessageQueue) -> Result<(), Error> {
    let next = "SELECT next FROM message_epoch WHERE id = ?1";
    let next = to.query_row(next, [queue.epoch], |row| row.get(0));
    end(to, queue.epoch)?;
    queue.epoch = begin(to, next.doing("purge message queue")?)?;
    let update = "UPDATE message_queue SET epoch = ?2 WHERE id = ?1";
    to.execute(update, [queue.number, queue.epoch])
        .doing("purge message queue")?;
    Ok(())
}

fn begin(to: &Connection, next: i64) -> Result<i64, Error> {
    let insert = "INSERT INTO message_epoch (is_current, next, messages) VALUES (1, ?1, 0)";
    to.execute(insert, [next])
        .doing("begin epoch of a message queue")?;
    Ok(to.last_insert_rowid())
}

fn end(to: &Connection, epoch: i64) -> Result<(), Error> {
    let update = "UPDATE message_epoch SET is_current = 0 WHERE id = ?1";
    to.execute(update, [epoch])
        .doing("end epoch of a message queue")?;
    Ok(())
}

fn text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("settings and texts are always JSON")
}
