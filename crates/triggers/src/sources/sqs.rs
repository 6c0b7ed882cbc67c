//! A message queue of this server. What is not done becomes visible again by itself, and goes to the queue's dead-letter
//! queue when that has happened too often: both are the queue's own.

use std::sync::Arc;
use std::time::Duration;

use kiln_store::Store;
use kiln_store::messages::{
    Changed, Message as Kept, Receipt, ReceiptError, Receive, ReceiveError,
};
use kiln_types::{Clock, QueueArn};

use crate::messages::{Message, MessageSource, Wanted};
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

    async fn take_some(&self, wanted: Wanted) -> Result<Vec<Message>, Trouble> {
        let ask = Receive {
            queue: self.arn.queue.clone(),
            count_max: wanted.count_max,
            bytes_max: wanted.bytes_max,
            visibility_timeout: None,
            attempt: None,
        };
        let messages = self.store.messages();
        let stop = wanted.stop.cancelled();
        let polled = messages.poll(ask, wanted.wait, &*self.clock, stop).await;
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
            group: kept.group.as_deref().map(Into::into),
            document: record::document(&kept, &self.arn),
            trace: kept.trace,
            body: kept.body.into(),
        }
    }

    /// Says of each whether it was still to be had. A queue that is gone has no messages.
    async fn hide_for(
        &self,
        receipts: Vec<Arc<str>>,
        timeout: Duration,
    ) -> Result<Vec<bool>, Trouble> {
        let changes = read(&receipts).map(|receipt| (receipt, timeout)).collect();
        let now = self.clock.timestamp();
        let messages = self.store.messages();
        let changed = messages.change_visibility(&self.arn.queue, changes, now);
        match changed.await {
            Ok(changed) => Ok(changed.iter().map(|changed| is_held(*changed)).collect()),
            Err(ReceiptError::NoQueue(_)) => Ok(vec![false; receipts.len()]),
            Err(ReceiptError::Store(error)) => Err(Trouble::new(error.to_string())),
        }
    }

    async fn remove(&self, receipts: Vec<Arc<str>>) -> Result<(), Trouble> {
        let (now, receipts) = (self.clock.timestamp(), read(&receipts).collect());
        let messages = self.store.messages();
        match messages.delete(&self.arn.queue, receipts, now).await {
            Ok(_) | Err(ReceiptError::NoQueue(_)) => Ok(()),
            Err(ReceiptError::Store(error)) => Err(Trouble::new(error.to_string())),
        }
    }
}

impl MessageSource for Queue {
    fn take(&self, wanted: Wanted) -> Task<'_, Result<Vec<Message>, Trouble>> {
        Box::pin(self.take_some(wanted))
    }

    fn hidden_for(&self) -> Duration {
        let queue = self.store.messages().get(&self.arn.queue);
        let secs = queue.map_or(0, |queue| queue.settings.visibility_timeout_secs);
        Duration::from_secs(secs.into())
    }

    fn hide(&self, receipts: Vec<Arc<str>>) -> Task<'_, Result<Vec<bool>, Trouble>> {
        Box::pin(self.hide_for(receipts, self.hidden_for()))
    }

    fn done(&self, receipts: Vec<Arc<str>>) -> Task<'_, Result<(), Trouble>> {
        Box::pin(self.remove(receipts))
    }

    fn give_back(&self, receipts: Vec<Arc<str>>) -> Task<'_, Result<(), Trouble>> {
        let give_back = self.hide_for(receipts, Duration::ZERO);
        Box::pin(async { give_back.await.map(|_| ()) })
    }
}

/// Receipts that we wrote ourselves.
fn read(receipts: &[Arc<str>]) -> impl Iterator<Item = Receipt> {
    receipts.iter().filter_map(|receipt| receipt.parse().ok())
}

fn gone() -> Trouble {
    Trouble::new("The specified queue does not exist")
}

/// Whether a message may still be had that somebody tried to hide.
fn is_held(changed: Changed) -> bool {
    match changed {
        Changed::Done | Changed::TooLong => true,
        Changed::Gone | Changed::OtherQueue => false,
    }
}
