//! Message queues: standard ones, and FIFO ones that keep an order.
//!
//! Their tables stand in the database of the queue of events, so that one transaction can put an event
//! for a function and messages for queues together ([`Queue::deliver`](crate::Queue::deliver)), and share
//! its size. What was sent is on disk before its sender is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use kiln_types::{QueueId, Timestamp};
use rusqlite::Connection;

use crate::database::Database;
use crate::error::Error;

mod counts;
mod key;
mod lane;
mod message;
mod registry;
mod schema;
mod send;
mod settings;

pub use counts::Count;
use counts::{Counts, Place};
pub use message::NewMessage;
pub use registry::MessageQueue;
use registry::Registry;
pub(crate) use schema::TABLES;
pub use send::Sent;
pub(crate) use send::{SendError, send};
pub use settings::{Encryption, Fifo, Redrive, RedriveAllow, Settings};

/// Message queues and their messages. Clones share them.
#[derive(Clone)]
pub struct Messages {
    database: Arc<Database>,
    registry: Arc<Registry>,
}

/// Why a queue does not take a message. It is in no queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such queue.
    #[error("message queue {0} does not exist")]
    NoQueue(QueueId),
    /// It is larger than the queue allows.
    #[error("the message is larger than {bytes_max} bytes, the most that its queue takes")]
    TooLarge {
        /// What it allows.
        bytes_max: u32,
    },
    /// The queue keeps an order, and the message belongs to no group.
    #[error("the queue is a FIFO queue and the message has no group")]
    NoGroup,
    /// The queue must know messages again, and cannot know this one.
    #[error("the queue is a FIFO queue and the message has no deduplication id")]
    NoDeduplication,
}

impl Messages {
    pub(crate) fn open(database: Arc<Database>) -> Result<Self, Error> {
        let registry = database.read_now("read message queues", Registry::read)?;
        Ok(Self {
            database,
            registry: Arc::new(registry),
        })
    }

    /// Makes a queue, or returns the one that has the name.
    pub async fn create(
        &self,
        id: QueueId,
        settings: Settings,
        tags: BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<Arc<MessageQueue>, Error> {
        let work = move |to: &Connection| match registry::find(to, &id)? {
            Some(found) => Ok((found, false)),
            None => Ok((registry::insert(to, id, settings, tags, now)?, true)),
        };
        let registry = self.registry.clone();
        let publish = move |(queue, is_new): &(MessageQueue, bool)| {
            if *is_new {
                registry.put(queue.clone(), Counts::default());
            }
        };
        let made = self
            .database
            .write_then("create message queue", work, publish);
        made.await.map(|(queue, _)| Arc::new(queue))
    }

    /// A queue as of the last change that was made durable. From memory.
    pub fn get(&self, id: &QueueId) -> Option<Arc<MessageQueue>> {
        self.registry.get(id).map(|live| live.queue)
    }

    /// How many messages a queue has. From memory.
    pub fn count(&self, id: &QueueId, now: Timestamp) -> Option<Count> {
        let live = self.registry.get(id)?;
        let mut counts = live.counts.lock().expect("no holder panics");
        Some(counts.count(now))
    }

    /// What was committed shows in the counts, and whoever waits for messages hears of it.
    pub(crate) fn publish(&self, sent: &[Sent]) {
        for sent in sent {
            let live = self.registry.get(&sent.queue);
            let Some(live) = live.filter(|live| live.queue.epoch == sent.epoch) else {
                continue;
            };
            let mut counts = live.counts.lock().expect("no holder panics");
            counts.moved(Place::Gone, sent.to);
            drop(counts);
            live.arrivals.notify_one();
        }
    }
}
