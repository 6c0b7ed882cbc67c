//! Who is told of what happened, in the transaction in which it happens.

use std::sync::Arc;

use kiln_types::{Bucket, Timestamp};
use rusqlite::Connection;

use super::{ObjectError, Objects};
use crate::error::Error;
use crate::messages::{Messages, NotSent};
use crate::queue::{Change, Delivered, Delivery, Room, deliver};

/// Something that happened to an object.
#[derive(Debug, Clone, Copy)]
pub struct Happening<'a> {
    /// What, as S3 calls it: `ObjectCreated:Put`.
    pub event: &'static str,
    /// The bucket, as of now.
    pub bucket: &'a Bucket,
    /// The key.
    pub key: &'a str,
    /// The version, where versions are or were kept.
    pub version: Option<&'a str>,
    /// How many bytes it has; none of what is no longer there.
    pub size: Option<u64>,
    /// Its entity tag.
    pub etag: Option<&'a str>,
    /// Its place among all changes of all objects.
    pub seq: i64,
}

/// Says who is told what of a happening. It runs on the store's writer thread: it must not block.
pub type Tell = Arc<dyn Fn(&Happening<'_>) -> Vec<Delivery> + Send + Sync>;

/// What was told in a transaction, to be shown after its commit.
#[derive(Default)]
pub(super) struct Told {
    change: Change,
    delivered: Vec<Delivered>,
    rooms: Vec<Room>,
}

impl Told {
    /// Tells of a happening. Who is not there any more is not told, as nobody is there who could be.
    pub(super) fn tell(
        &mut self,
        to: &Connection,
        messages: &Messages,
        deliveries: &[Delivery],
        now: Timestamp,
    ) -> Result<(), ObjectError> {
        for delivery in deliveries {
            match self.deliver(to, messages, delivery, now) {
                Err(ObjectError::Refused(refusal)) => {
                    tracing::warn!(%refusal, "a notification of an object could not be delivered");
                }
                other => other?,
            }
        }
        Ok(())
    }

    pub(super) fn deliver(
        &mut self,
        to: &Connection,
        messages: &Messages,
        delivery: &Delivery,
        now: Timestamp,
    ) -> Result<(), ObjectError> {
        let room = messages.held().take(delivery.size())?;
        match deliver(to, messages, [delivery], now) {
            Ok(delivered) => {
                self.change = self.change + delivered.change;
                self.delivered.push(delivered);
                self.rooms.push(room);
                Ok(())
            }
            Err(NotSent::Refused(refusal)) => Err(ObjectError::Refused(refusal)),
            Err(NotSent::Store(error)) => Err(error.into()),
        }
    }

    /// As part of what else is delivered in the transaction, which counts it and shows it.
    pub(super) fn into_delivered(self) -> Delivered {
        let mut all = Delivered {
            rooms: self.rooms,
            ..Delivered::default()
        };
        for delivered in self.delivered {
            all.add(delivered);
        }
        all
    }

    /// Counts all of it, before the commit.
    pub(super) fn count(&mut self, to: &Connection) -> Result<(), Error> {
        if !self.delivered.is_empty() {
            self.change = self.change.count(to)?;
        }
        Ok(())
    }

    /// Shows it, after the commit.
    pub(super) fn publish(&self, objects: &Objects) {
        if self.delivered.is_empty() {
            return;
        }
        objects.queue.publish(self.change, &[]);
        for delivered in &self.delivered {
            objects.queue.publish_delivered(delivered);
        }
    }
}
