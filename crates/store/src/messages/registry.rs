//! Which message queues there are: kept, and in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, RwLock};

use kiln_types::{QueueId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::Notify;

use super::counts::Counts;
use super::settings::Settings;
use crate::error::{Doing, Error};

/// A message queue as of the last change that was made durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageQueue {
    /// Which.
    pub id: QueueId,
    /// How it treats its messages.
    pub settings: Settings,
    /// Its owner's notes.
    pub tags: BTreeMap<String, String>,
    /// When it was made.
    pub created: Timestamp,
    /// When its settings were last changed.
    pub modified: Timestamp,
    pub(super) number: i64,
    pub(super) epoch: i64,
}

/// A queue, and what changes with its messages.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) queue: Arc<MessageQueue>,
    pub(super) counts: Arc<Mutex<Counts>>,
    pub(super) arrivals: Arc<Notify>,
}

/// All queues, in memory.
#[derive(Default)]
pub(super) struct Registry {
    queues: RwLock<HashMap<QueueId, Live>>,
}

impl Registry {
    /// Reads all there are.
    pub(super) fn read(from: &Connection) -> rusqlite::Result<Self> {
        let mut select = from.prepare(&format!("{QUEUES} JOIN message_epoch e ON e.id = epoch"))?;
        let rows = select.query_map([], |row| Ok((queue(row)?, row.get::<_, i64>(8)?)))?;
        let registry = Self::default();
        for row in rows {
            let (queue, messages) = row?;
            registry.put(queue, Counts::new(messages.max(0) as u64));
        }
        Ok(registry)
    }

    pub(super) fn get(&self, id: &QueueId) -> Option<Live> {
        self.queues
            .read()
            .expect("no holder panics")
            .get(id)
            .cloned()
    }

    /// Makes a queue known that is new.
    pub(super) fn put(&self, queue: MessageQueue, counts: Counts) {
        let id = queue.id.clone();
        let live = Live {
            queue: Arc::new(queue),
            counts: Arc::new(Mutex::new(counts)),
            arrivals: Arc::default(),
        };
        self.queues
            .write()
            .expect("no holder panics")
            .insert(id, live);
    }
}

const QUEUES: &str = "SELECT q.id, account, name, epoch, created, modified, settings, tags,
    e.messages FROM message_queue q";

fn queue(row: &Row<'_>) -> rusqlite::Result<MessageQueue> {
    let invalid = |error: Box<dyn std::error::Error + Send + Sync>| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error)
    };
    let (account, name): (String, String) = (row.get(1)?, row.get(2)?);
    let (settings, tags): (String, String) = (row.get(6)?, row.get(7)?);
    Ok(MessageQueue {
        id: QueueId {
            account: account
                .parse()
                .map_err(|error: kiln_types::InvalidName| invalid(error.into()))?,
            name: name
                .parse()
                .map_err(|error: kiln_types::InvalidName| invalid(error.into()))?,
        },
        settings: serde_json::from_str(&settings).map_err(|error| invalid(error.into()))?,
        tags: serde_json::from_str(&tags).map_err(|error| invalid(error.into()))?,
        created: Timestamp::from_millis(row.get(4)?),
        modified: Timestamp::from_millis(row.get(5)?),
        number: row.get(0)?,
        epoch: row.get(3)?,
    })
}

/// The queue as the changes before this one left it.
pub(super) fn find(from: &Connection, id: &QueueId) -> Result<Option<MessageQueue>, Error> {
    let select =
        format!("{QUEUES} JOIN message_epoch e ON e.id = epoch WHERE account = ?1 AND name = ?2");
    from.prepare_cached(&select)
        .and_then(|mut select| {
            select
                .query_row([id.account.as_str(), id.name.as_str()], queue)
                .optional()
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
    let insert = || {
        to.execute(
            "INSERT INTO message_epoch (is_current, next, messages) VALUES (1, 1, 0)",
            [],
        )?;
        let epoch = to.last_insert_rowid();
        to.execute(
            "INSERT INTO message_queue (account, name, epoch, created, modified, settings, tags)
             VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6)",
            params![
                id.account.as_str(),
                id.name.as_str(),
                epoch,
                now.as_millis(),
                serde_json::to_string(&settings).expect("settings are always JSON"),
                serde_json::to_string(&tags).expect("texts are always JSON"),
            ],
        )?;
        Ok((to.last_insert_rowid(), epoch))
    };
    let (number, epoch) = insert().doing("keep message queue")?;
    Ok(MessageQueue {
        id,
        settings,
        tags,
        created: now,
        modified: now,
        number,
        epoch,
    })
}
