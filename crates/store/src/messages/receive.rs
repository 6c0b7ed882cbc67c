//! Hands messages out: each is hidden from others until it is deleted or its time is over.
//!
//! A receive reaches the kernel before its caller is told, not the disk: after a power cut a message may
//! be handed out again, which counts one receive less; none is lost. What a receive meets that is too
//! old is removed, and what was received too often becomes a dead letter, a part at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use kiln_types::{QueueId, Timestamp};
use rusqlite::{Connection, params};

use super::Messages;
use super::counts::{Count, Place};
use super::dead_letter::{self, Target};
use super::effects::Effects;
use super::key::Key;
use super::message::{self, Message, Receiving};
use super::receipt::Receipt;
use super::registry::{Live, MessageQueue};
use super::remove;
use crate::error::{Doing, Error};

mod attempts;
mod fifo;
mod standard;

pub(super) use attempts::Attempts;

/// Messages of a queue that may be in flight at once (SQS quotas pages).
pub const IN_FLIGHT_MAX: u64 = 120_000;
/// Messages too old or received too often that one receive deals with.
const PART_MAX: usize = 256;

/// Which messages are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receive {
    /// Of which queue.
    pub queue: QueueId,
    /// How many at most.
    pub count_max: u32,
    /// After so many bytes of bodies no further one is taken.
    pub bytes_max: usize,
    /// How long they are hidden; none means as long as the queue says.
    pub visibility_timeout: Option<Duration>,
    /// Names the attempt: from a FIFO queue the same one gets the same messages for a while.
    pub attempt: Option<String>,
}

/// What was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The messages.
    pub messages: Vec<Message>,
    /// When the next one can be received, if none was and that is known.
    pub next: Option<Timestamp>,
}

/// Why nothing was received.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// There is no such queue.
    #[error("message queue {0} does not exist")]
    NoQueue(QueueId),
    /// So many messages of it are in flight that no more may be.
    #[error("{IN_FLIGHT_MAX} messages of the queue are in flight")]
    TooManyInFlight,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Where a message stands that may be received.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) key: Key,
    pub(super) sent: Timestamp,
    /// None when it was never received and never delayed.
    held: Option<Held>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    due: Timestamp,
    received: u32,
    first: Timestamp,
}

/// A receive that is being made.
struct Receiver<'a> {
    to: &'a Connection,
    queue: &'a MessageQueue,
    /// Where messages go that were received too often.
    target: Option<Target>,
    wanted: usize,
    bytes_max: usize,
    due: Timestamp,
    now: Timestamp,
    /// What was sent at that time or before is kept no longer.
    oldest: Timestamp,
    taken: Vec<Message>,
    taken_bytes: usize,
    disposed: usize,
    effects: Effects,
}

/// What a receive did.
struct Taken {
    messages: Vec<Message>,
    next: Option<Timestamp>,
    effects: Effects,
    first_fresh: Unconfirmed,
}

impl Messages {
    /// Takes messages that can be received now, as many as are wanted, and does not wait for any. From
    /// memory when there are none.
    ///
    /// # Errors
    /// [`ReceiveError::TooManyInFlight`] when a standard queue has as many in flight as it may; a FIFO
    /// queue gives none then.
    pub async fn receive(&self, ask: Receive, now: Timestamp) -> Result<Received, ReceiveError> {
        let live = self.registry.get(&ask.queue);
        let live = live.ok_or_else(|| ReceiveError::NoQueue(ask.queue.clone()))?;
        let count = live.count(now);
        let is_fifo = live.queue.is_fifo();
        if count.in_flight >= IN_FLIGHT_MAX && !is_fifo {
            return Err(ReceiveError::TooManyInFlight);
        }
        let is_again = is_fifo && ask.attempt.is_some();
        if count.visible == 0 && !is_again {
            return Ok(Received {
                messages: Vec::new(),
                next: live.counts().next(),
            });
        }
        let (messages, job) = (self.clone(), live.clone());
        let attempt = ask.attempt.clone().filter(|_| is_fifo);
        let work = move |to: &Connection| take(to, &messages, &job, &ask, count, now);
        let (messages, epoch) = (self.clone(), live.epoch.clone());
        let publish = move |taken: &Taken| {
            messages.publish_all(&taken.effects);
            if let Some(attempt) = attempt {
                let mut attempts = epoch.attempts.lock().expect("no holder panics");
                attempts.keep(attempt, &taken.messages, now);
            }
            taken.first_fresh.confirm();
        };
        let taken = self
            .database
            .write_to_kernel("receive messages", work, publish);
        let Taken { messages, next, .. } = taken.await?;
        let next = next.or_else(|| live.counts().next());
        Ok(Received { messages, next })
    }
}

/// Where a standard queue's fresh messages begin, as a change left it that may not be committed: when it is
/// not, they may begin earlier.
struct Unconfirmed {
    first_fresh: Arc<AtomicI64>,
    is_confirmed: AtomicBool,
}

impl Unconfirmed {
    fn confirm(&self) {
        self.is_confirmed.store(true, Ordering::Relaxed);
    }
}

impl Drop for Unconfirmed {
    fn drop(&mut self) {
        if !self.is_confirmed.load(Ordering::Relaxed) {
            self.first_fresh.store(0, Ordering::Relaxed);
        }
    }
}

fn take(
    to: &Connection,
    messages: &Messages,
    live: &Live,
    ask: &Receive,
    count: Count,
    now: Timestamp,
) -> Result<Taken, ReceiveError> {
    let queue = live.queue.as_ref();
    let secs = queue.settings.visibility_timeout_secs;
    let timeout = ask
        .visibility_timeout
        .unwrap_or(Duration::from_secs(secs.into()));
    let room = IN_FLIGHT_MAX.saturating_sub(count.in_flight);
    let mut receiver = Receiver {
        to,
        queue,
        target: dead_letter::target(messages, queue),
        wanted: u64::from(ask.count_max).min(room) as usize,
        bytes_max: ask.bytes_max,
        due: now + timeout,
        now,
        oldest: messages.oldest(queue, now),
        taken: Vec::new(),
        taken_bytes: 0,
        disposed: 0,
        effects: Effects::default(),
    };
    let first_fresh = Unconfirmed {
        first_fresh: live.epoch.first_fresh.clone(),
        is_confirmed: AtomicBool::new(false),
    };
    let mut next = None;
    if queue.is_fifo() {
        let again = ask.attempt.as_ref().and_then(|attempt| {
            live.epoch
                .attempts
                .lock()
                .expect("no holder panics")
                .get(attempt, now)
        });
        if !receiver.take_again(again.unwrap_or_default())? {
            next = receiver.take_in_order()?;
        }
    } else {
        receiver.take_any(&live.epoch.first_fresh)?;
    }
    let Receiver {
        taken,
        effects,
        disposed,
        ..
    } = receiver;
    if taken.is_empty() && disposed > 0 {
        next = Some(now);
    }
    remove::count_gone(to, queue, &effects)?;
    messages.count_bytes(to, &effects)?;
    Ok(Taken {
        messages: taken,
        next,
        effects,
        first_fresh,
    })
}

impl Receiver<'_> {
    fn has_enough(&self) -> bool {
        self.taken.len() >= self.wanted
            || self.taken_bytes >= self.bytes_max
            || self.disposed >= PART_MAX
    }

    /// Hands a message out, or does what must be done with it instead; tells whether it is handed out.
    fn receive(&mut self, one: Candidate) -> Result<bool, Error> {
        if self.is_expired(one.sent) {
            remove::remove(self.to, self.queue, one.key, one.place(), &mut self.effects)?;
            self.disposed += 1;
            return Ok(false);
        }
        let received = one.held.map_or(0, |held| held.received);
        if let Some(target) = &self.target
            && received >= target.receives_max
        {
            let moved = target.take(self.to, self.queue, one.key, self.now, &mut self.effects)?;
            if moved {
                self.effects.moved(self.queue, one.place(), Place::Gone);
                self.disposed += 1;
                return Ok(false);
            }
        }
        let first = one.held.filter(|held| held.received > 0);
        let first = first.map_or(self.now, |held| held.first);
        self.hold(one, received + 1, first).doing("hold message")?;
        self.effects
            .moved(self.queue, one.place(), Place::Received(self.due));
        let receipt = Receipt {
            queue: self.queue.number,
            epoch: self.queue.epoch,
            key: one.key,
            received: received + 1,
        };
        self.hand_out(receipt, first)
    }

    fn hand_out(&mut self, receipt: Receipt, first: Timestamp) -> Result<bool, Error> {
        let receiving = Receiving {
            queue: self.queue,
            receipt,
            first,
        };
        match message::read(self.to, receiving) {
            Ok(message) => {
                self.taken_bytes += message.body.len();
                self.taken.push(message);
            }
            Err(error @ rusqlite::Error::SqliteFailure(..)) => {
                return Err(error).doing("read message");
            }
            // It stays hidden, so that it keeps no other waiting, and comes again until it is too old.
            Err(error) => {
                tracing::error!(queue = %self.queue.id, %error, "a message cannot be read");
                self.disposed += 1;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_expired(&self, sent: Timestamp) -> bool {
        sent <= self.oldest
    }

    fn hold(&self, one: Candidate, received: u32, first: Timestamp) -> rusqlite::Result<()> {
        let insert = "INSERT INTO message_held (id, lane, due, received, first, last)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            ON CONFLICT (id) DO UPDATE SET due = ?3, received = ?4, first = ?5, last = ?6";
        self.to.prepare_cached(insert)?.execute(params![
            one.key.0,
            one.key.lane().0,
            self.due.as_millis(),
            received,
            first.as_millis(),
            self.now.as_millis()
        ])?;
        Ok(())
    }
}

impl Candidate {
    pub(super) fn is_hidden(&self, now: Timestamp) -> bool {
        self.held.is_some_and(|held| held.due > now)
    }

    pub(super) fn place(&self) -> Place {
        match self.held {
            None => Place::Fresh,
            Some(held) if held.received == 0 => Place::Delayed(held.due),
            Some(held) => Place::Received(held.due),
        }
    }

    /// Since when it can be received.
    fn available(&self) -> Timestamp {
        self.held.map_or(self.sent, |held| held.due)
    }

    /// From the columns id, sent, due, received, first.
    pub(super) fn of_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let due: Option<i64> = row.get(2)?;
        let held = match due {
            None => None,
            Some(due) => Some(Held {
                due: Timestamp::from_millis(due),
                received: row.get(3)?,
                first: Timestamp::from_millis(row.get(4)?),
            }),
        };
        Ok(Self {
            key: Key(row.get(0)?),
            sent: Timestamp::from_millis(row.get(1)?),
            held,
        })
    }
}
