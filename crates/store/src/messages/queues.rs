//! Making, changing and removing message queues.

use std::collections::BTreeMap;
use std::sync::Arc;

use kiln_types::account::AccountId;
use kiln_types::{QueueId, Timestamp};
use rusqlite::Connection;

use super::Messages;
use super::counts::{Count, Counts};
use super::definition;
use super::delay;
use super::effects::Effects;
use super::registry::MessageQueue;
use super::settings::Settings;
use crate::error::Error;

/// A queue, and whether it was made by this call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// It.
    pub queue: Arc<MessageQueue>,
    /// Whether nobody had the name before.
    pub is_new: bool,
}

/// Why a queue could not be changed. It was not.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// There is no such queue.
    #[error("message queue {0} does not exist")]
    NoQueue(QueueId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Messages {
    /// Makes a queue, or returns the one that has the name.
    pub async fn create(
        &self,
        id: QueueId,
        settings: Settings,
        tags: BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<Made, Error> {
        let quotas = self.quotas.clone();
        let work = move |to: &Connection| match definition::find(to, &id)? {
            Some(found) => Ok((found, false)),
            None => {
                if let Some(quotas) = quotas.get() {
                    quotas.check_queues(to, &id.account)?;
                }
                Ok((definition::insert(to, id, settings, tags, now)?, true))
            }
        };
        let registry = self.registry.clone();
        let publish = move |(queue, is_new): &(MessageQueue, bool)| {
            if *is_new {
                registry.begin(queue.clone(), Counts::default());
            }
        };
        let made = self
            .database
            .write_then("create message queue", work, publish);
        let (queue, is_new) = made.await?;
        Ok(Made {
            queue: Arc::new(queue),
            is_new,
        })
    }

    /// A queue as of the last change that was made durable. From memory.
    pub fn get(&self, id: &QueueId) -> Option<Arc<MessageQueue>> {
        self.registry.get(id).map(|live| live.queue)
    }

    /// An account's queues, by name. From memory.
    pub fn list(&self, account: &AccountId) -> Vec<Arc<MessageQueue>> {
        self.registry.list(account)
    }

    /// How many messages a queue has. From memory.
    pub fn count(&self, id: &QueueId, now: Timestamp) -> Option<Count> {
        self.registry.get(id).map(|live| live.count(now))
    }

    /// The queues whose dead letters go to a queue, by name. From memory.
    pub fn sources(&self, dead_letters: &QueueId) -> Vec<Arc<MessageQueue>> {
        let is_source = |queue: &Arc<MessageQueue>| {
            let redrive = queue.settings.redrive.as_ref();
            redrive.is_some_and(|redrive| redrive.dead_letters.queue == *dead_letters)
        };
        let queues = self.registry.list(&dead_letters.account);
        queues.into_iter().filter(is_source).collect()
    }

    /// Reads a queue's settings and tags, lets `change` alter them, and keeps the result; no other change
    /// comes in between. When `change` refuses, nothing is kept and its error is returned.
    ///
    /// `change` runs on the store's writer thread: it must not block or do anything long.
    pub async fn update<E>(
        &self,
        id: &QueueId,
        change: impl FnOnce(&mut Settings, &mut BTreeMap<String, String>) -> Result<(), E>
        + Send
        + 'static,
        now: Timestamp,
    ) -> Result<Arc<MessageQueue>, E>
    where
        E: From<QueueError> + From<Error> + Send + 'static,
    {
        let id = id.clone();
        let work = move |to: &Connection| {
            let found = definition::find(to, &id)?;
            let mut queue = found.ok_or_else(|| QueueError::NoQueue(id))?;
            let before = queue.settings.clone();
            change(&mut queue.settings, &mut queue.tags)?;
            let mut effects = Effects::default();
            if queue.settings != before {
                queue.modified = now;
                delay::changed(to, &queue, before.delay_secs, now, &mut effects)?;
            }
            definition::update(to, &queue)?;
            Ok::<_, E>((Arc::new(queue), effects))
        };
        let messages = self.clone();
        let publish = move |(queue, effects): &(Arc<MessageQueue>, Effects)| {
            messages.registry.change(queue.clone());
            messages.publish(effects);
        };
        let changed = self
            .database
            .write_then("change message queue", work, publish);
        changed.await.map(|(queue, _)| queue)
    }

    /// Forgets a queue and all that is in it. The space is given back bit by bit.
    pub async fn remove(&self, id: &QueueId) -> Result<(), QueueError> {
        let id = id.clone();
        let work = move |to: &Connection| {
            let found = definition::find(to, &id)?;
            let queue = found.ok_or_else(|| QueueError::NoQueue(id))?;
            definition::remove(to, &queue)?;
            Ok::<_, QueueError>(queue.id)
        };
        let messages = self.clone();
        let publish = move |id: &QueueId| {
            messages.registry.remove(id);
            messages.over.notify_one();
        };
        let removed = self
            .database
            .write_then("remove message queue", work, publish);
        removed.await.map(|_| ())
    }

    /// Forgets all that is in a queue, at once. The space is given back bit by bit.
    pub async fn purge(&self, id: &QueueId) -> Result<(), QueueError> {
        let id = id.clone();
        let work = move |to: &Connection| {
            let found = definition::find(to, &id)?;
            let mut queue = found.ok_or_else(|| QueueError::NoQueue(id))?;
            definition::purge(to, &mut queue)?;
            Ok::<_, QueueError>(queue)
        };
        let messages = self.clone();
        let publish = move |queue: &MessageQueue| {
            messages.registry.begin(queue.clone(), Counts::default());
            messages.over.notify_one();
        };
        let purged = self
            .database
            .write_then("purge message queue", work, publish);
        purged.await.map(|_| ())
    }
}
