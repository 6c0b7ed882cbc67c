//! Message queues: standard ones, and FIFO ones that keep an order.
//!
//! Their tables stand in the database of the queue of events, so that one transaction can put an event
//! for a function and messages for queues together ([`Queue::deliver`](crate::Queue::deliver)), and share
//! its size. What was sent and what was deleted is on disk before the caller is told; what was received
//! is hidden by a short row of its own, which only the kernel has for a while.
//!
//! ```text
//!  send ──► delayed ──┐                      ┌──delete──► gone
//!    └──────────────► visible ──receive──► in flight
//!                        ▲                   │      (too often) ──► another queue
//!                        └──time, visibility─┘
//! ```
//!
//! Messages lie in one b-tree by lane and number (`key.rs`), in the order in which they were sent; where
//! they were received or delayed, `message_held` says until when they are hidden. A standard queue is one
//! lane; of a FIFO queue each group is one, and says from when on it may be received from.
//!
//! How many are visible, in flight and delayed is known in memory at any time (`counts.rs`): an empty
//! queue is polled without the database, and a full queue is counted without reading it.
//!
//! A purge, and a queue's end, begin a new epoch; what is of an epoch that is over is removed bit by bit.
//! Start reading at `send.rs`, `receive.rs` and `remove.rs`.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use kiln_types::{BucketName, QueueId, Timestamp};
use rusqlite::{Connection, params};
use tokio::sync::Notify;

use crate::database::Database;
use crate::error::{Doing, Error};
use crate::queue::{Change, Full, Held};
use crate::tenants::Quotas;

mod counts;
mod dead_letter;
mod deduplicate;
mod definition;
mod delay;
mod effects;
mod key;
mod lane;
mod message;
mod moves;
mod poll;
mod queues;
mod receipt;
mod receive;
mod registry;
mod remove;
mod schema;
mod send;
mod settings;
mod sweep;
mod visibility;

pub use counts::Count;
pub(crate) use effects::Effects;
pub(crate) use key::NUMBER_BITS;
pub use message::{Message, NewMessage};
pub use moves::{MOVES_RUNNING_MAX, Move, MoveError, MoveFailure, MoveState, MovedPart};
pub use queues::{Made, QueueError};
pub use receipt::{InvalidReceipt, Receipt};
pub use receive::{IN_FLIGHT_MAX, Receive, ReceiveError, Received};
pub use registry::MessageQueue;
use registry::Registry;
pub use remove::{ReceiptError, Receipted};
pub(crate) use schema::{LANES, TABLES};
pub(crate) use send::{NotSent, send};
pub use send::{SendError, Sent};
pub use settings::{Encryption, Fifo, Redrive, RedriveAllow, Settings};
pub use visibility::{Changed, VISIBILITY_MAX};

/// Message queues and their messages. Clones share them.
#[derive(Clone)]
pub struct Messages {
    database: Arc<Database>,
    held: Held,
    registry: Arc<Registry>,
    /// A queue was purged or deleted.
    over: Arc<Notify>,
    /// A task that moves messages was started.
    moves: Arc<Notify>,
    /// Up to which time messages may be too old, in milliseconds.
    age_until: Arc<AtomicI64>,
    /// What accounts may have, once that is known.
    quotas: Arc<OnceLock<Quotas>>,
}

/// Why a receiver does not take what it is sent. It is nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is for a function, and as many others have events waiting as may.
    #[error("{0} functions have events waiting, which is as many as may")]
    Crowded(u16),
    /// There is no such queue.
    #[error("message queue {0} does not exist")]
    NoQueue(QueueId),
    /// There is no such bucket.
    #[error("bucket {0} does not exist")]
    NoBucket(BucketName),
    /// It is for a bucket, and there is no room for what must be told of it.
    #[error(transparent)]
    Full(Full),
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
    /// Says up to which time messages may be too old: whatever time it is said to be, no message is thrown away because of a
    /// later one. It may be so at any time unless told.
    pub fn age_until(&self, time: Timestamp) {
        self.age_until.store(time.as_millis(), Ordering::Relaxed);
    }

    /// What was sent to a queue at that time or before is kept no longer.
    fn oldest(&self, queue: &MessageQueue, now: Timestamp) -> Timestamp {
        let kept_ms = i64::from(queue.settings.retention_secs) * 1_000;
        Timestamp::from_millis(self.aged(now).as_millis() - kept_ms)
    }

    /// The time by which something is too old.
    fn aged(&self, now: Timestamp) -> Timestamp {
        let until = Timestamp::from_millis(self.age_until.load(Ordering::Relaxed));
        now.min(until)
    }

    /// Says what accounts may have.
    pub(crate) fn limit_by(&self, quotas: &Quotas) {
        let _ = self.quotas.set(quotas.clone());
    }

    /// What is held together with other things.
    pub(crate) fn held(&self) -> &Held {
        &self.held
    }

    pub(crate) fn open(database: Arc<Database>, held: Held, now: Timestamp) -> Result<Self, Error> {
        let read = |from: &Connection| definition::read(from, now);
        let registry = database.read_now("read message queues", read)?;
        Ok(Self {
            database,
            held,
            registry: Arc::new(registry),
            over: Arc::default(),
            moves: Arc::default(),
            age_until: Arc::new(AtomicI64::new(i64::MAX)),
            quotas: Arc::default(),
        })
    }

    /// Counts what a change took, in it.
    fn count_bytes(&self, to: &Connection, effects: &Effects) -> Result<(), Error> {
        if effects.bytes != 0 {
            Change::bytes(effects.bytes).count(to)?;
        }
        Ok(())
    }

    /// Shows a change that was committed, and what it took.
    fn publish_all(&self, effects: &Effects) {
        self.held.apply(Change::bytes(effects.bytes));
        self.publish(effects);
    }
}

/// What is hidden longer than any message can be, after a calendar that was ahead was corrected, is hidden
/// as long as one can.
pub(crate) fn recover(to: &Connection, now: Timestamp) -> Result<(), Error> {
    let latest = now + VISIBILITY_MAX;
    let latest = params![latest.as_millis()];
    for update in [
        "UPDATE message_held SET due = ?1 WHERE due > ?1",
        "UPDATE message_lane SET ready = ?1 WHERE ready > ?1",
    ] {
        to.execute(update, latest).doing("recover message queues")?;
    }
    Ok(())
}
