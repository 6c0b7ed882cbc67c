//! A message queue of this server. What is not done becomes visible again by itself, and goes to the queue's dead-letter
//! queue when that has happened too often: both are the queue's own.

use std::sync::Arc;
use std::time::Duration;

use kiln_store::Store;
use kiln_store::messages::{Message as Kept, Receipt, ReceiptError, Receive, ReceiveError};
use kiln_types::{Clock, QueueArn};

use crate::messages::{Message, MessageSource};
use crate::source::{Task, Trouble};

mod record;

/// One mapping's queue.
pub(crate) struct Queue {
    arn: QueueArn,
    store: Store,
    clock: Arc<dyn Clock>,
}

impl Queue {
    pub(crate) fn new(arn: QueueArn, store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { arn, store, clock }
    }

    async fn take_some(&self, count_max: u32, wait: Duration) -> Result<Vec<Message>, Trouble> {
        let ask = Receive {
            queue: self.arn.queue.clone(),
            count_max,
            visibility_timeout: None,
            attempt: None,
        };
        let messages = self.store.messages();
        let polled = messages.poll(ask, wait, &*self.clock).await;
        let messages = polled.map_err(|error| match error {
            ReceiveError::NoQueue(_) => gone(),
            error @ ReceiveError::TooManyInFlight => Trouble::new(error.to_string()),
            ReceiveError::Store(error) => Trouble::new(error.to_string()),
        })?;
        Ok(messages
            .into_iter()
            .map(|kept| self.message(kept))
            .collect())
    }

    fn message(&self, kept: Kept) -> Message {
        Message {
            id: kept.id.to_string().into(),
            receipt: kept.receipt.to_string().into(),
            document: record::document(&kept, &self.arn),
            trace: kept.trace,
            body: kept.body.into(),
        }
    }

    async fn hide_for(
        &self,
        receipts: Vec<Arc<str>>,
        timeout: Option<Duration>,
    ) -> Result<(), Trouble> {
        let queue = self
            .store
            .messages()
            .get(&self.arn.queue)
            .ok_or_else(gone)?;
        let usual = Duration::from_secs(queue.settings.visibility_timeout_secs.into());
        let timeout = timeout.unwrap_or(usual);
        let changes = read(&receipts).map(|receipt| (receipt, timeout)).collect();
        let now = self.clock.timestamp();
        let messages = self.store.messages();
        let changed = messages
            .change_visibility(&self.arn.queue, changes, now)
            .await;
        changed.map(|_| ()).map_err(trouble)
    }

    async fn remove(&self, receipts: Vec<Arc<str>>) -> Result<(), Trouble> {
        let (now, receipts) = (self.clock.timestamp(), read(&receipts).collect());
        let messages = self.store.messages();
        let deleted = messages.delete(&self.arn.queue, receipts, now).await;
        deleted.map(|_| ()).map_err(trouble)
    }
}

impl MessageSource for Queue {
    fn take(&self, count_max: u32, wait: Duration) -> Task<'_, Result<Vec<Message>, Trouble>> {
        Box::pin(self.take_some(count_max, wait))
    }

    fn hide(&self, receipts: Vec<Arc<str>>) -> Task<'_, Result<(), Trouble>> {
        Box::pin(self.hide_for(receipts, None))
    }

    fn done(&self, receipts: Vec<Arc<str>>) -> Task<'_, Result<(), Trouble>> {
        Box::pin(self.remove(receipts))
    }

    fn give_back(&self, receipts: Vec<Arc<str>>) -> Task<'_, Result<(), Trouble>> {
        Box::pin(self.hide_for(receipts, Some(Duration::ZERO)))
    }
}

/// Receipts that we wrote ourselves.
fn read(receipts: &[Arc<str>]) -> impl Iterator<Item = Receipt> {
    receipts.iter().filter_map(|receipt| receipt.parse().ok())
}

fn gone() -> Trouble {
    Trouble::new("The specified queue does not exist")
}

fn trouble(error: ReceiptError) -> Trouble {
    match error {
        ReceiptError::NoQueue(_) => gone(),
        ReceiptError::Store(error) => Trouble::new(error.to_string()),
    }
}
