//! Keeps what goes to several receivers: all of it, or none.

use kiln_types::Timestamp;
use rusqlite::Connection;

use super::accept::insert;
use super::arrivals::Arrival;
use super::event::NewEvent;
use super::published::{self, Published};
use super::room::{Full, Room};
use super::totals::Change;
use crate::archives::{self, NewArchived};
use crate::error::{Doing, Error};
use crate::messages::{self, Effects, Messages, NewMessage, NotSent, Refusal};
use crate::objects::{Deposit, Deposited};
use crate::posts::{self, NewPost, Waiting};

/// What goes to one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// To a function.
    Event(NewEvent),
    /// To a message queue.
    Message(NewMessage),
    /// To an HTTP endpoint.
    Post(NewPost),
    /// Into a bucket.
    Object(Deposit),
    /// Into an archive.
    Archived(NewArchived),
    /// To nobody: that something was published is kept with what is delivered of it.
    Published(Published),
}

/// Why nothing was delivered.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// The queue has no room.
    #[error(transparent)]
    Full(#[from] Full),
    /// A message queue does not take its message.
    #[error(transparent)]
    Refused(Refusal),
    /// The store could not keep it.
    #[error(transparent)]
    Store(#[from] Error),
}

/// What was delivered.
#[derive(Debug, Default)]
pub(crate) struct Delivered {
    /// Not yet counted.
    pub(crate) change: Change,
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) effects: Effects,
    pub(crate) posts: Vec<Waiting>,
    /// Bytes that archives hold more, apart from what the queue counts.
    pub(crate) archived: u64,
    /// Objects that are there with the commit.
    pub(crate) deposited: Vec<Deposited>,
    /// Of what was told of them.
    pub(crate) rooms: Vec<Room>,
}

impl Delivered {
    /// Takes what more was delivered.
    pub(crate) fn add(&mut self, more: Self) {
        self.change = self.change + more.change;
        self.arrivals.extend(more.arrivals);
        self.effects.add(more.effects);
        self.posts.extend(more.posts);
        self.archived += more.archived;
        self.deposited.extend(more.deposited);
        self.rooms.extend(more.rooms);
    }
}

impl Delivery {
    /// What it counts against the size of the queue.
    pub fn size(&self) -> u64 {
        match self {
            Delivery::Event(event) => event.size(),
            Delivery::Message(message) => message.size(),
            Delivery::Post(post) => post.size(),
            // What is told of it takes its own room.
            Delivery::Object(_) => 0,
            Delivery::Archived(one) => one.size(),
            Delivery::Published(_) => published::BYTES,
        }
    }
}

impl From<NotSent> for DeliverError {
    fn from(error: NotSent) -> Self {
        match error {
            NotSent::Refused(refusal) => Self::Refused(refusal),
            NotSent::Store(error) => Self::Store(error),
        }
    }
}

/// Has the bytes of all objects among them on disk: nobody's, until they are delivered.
pub(super) async fn prepare(deposits: &[Deposit]) -> Result<(), Error> {
    for deposit in deposits {
        deposit.write().await?;
    }
    Ok(())
}

/// The objects among deliveries.
pub(super) fn deposits<'a>(all: impl IntoIterator<Item = &'a Delivery>) -> Vec<Deposit> {
    let deposit = |delivery: &Delivery| match delivery {
        Delivery::Object(deposit) => Some(deposit.clone()),
        _ => None,
    };
    all.into_iter().filter_map(deposit).collect()
}

/// Removes the files of objects that were replaced.
pub(super) async fn finish(deposited: Vec<Deposited>) {
    for one in deposited {
        one.remove_replaced().await;
    }
}

/// Where it is not known whether objects were put their files stay; the next start knows.
pub(super) fn give_up(deposits: &[Deposit], error: &Error) {
    if matches!(error, Error::Stopped(_)) {
        deposits.iter().for_each(Deposit::leave_file);
    }
}

/// Keeps everything; the caller counts it, or gives the transaction up.
pub(crate) fn deliver<'a>(
    to: &Connection,
    messages: &Messages,
    deliveries: impl IntoIterator<Item = &'a Delivery>,
    now: Timestamp,
) -> Result<Delivered, NotSent> {
    let (mut delivered, mut told_of_objects) = (Delivered::default(), Vec::new());
    for delivery in deliveries {
        match delivery {
            Delivery::Event(event) => {
                delivered.change = delivered.change + Change::received(event);
                delivered.arrivals.push(match insert(to, event, now) {
                    Err(Error::Crowded(count)) => return Err(Refusal::Crowded(count).into()),
                    inserted => inserted?,
                });
            }
            Delivery::Message(message) => {
                messages::send(to, messages, message, now, &mut delivered.effects)?;
            }
            Delivery::Post(post) => {
                let (waiting, change) = posts::insert(to, post, now)?;
                delivered.change = delivered.change + change;
                delivered.posts.push(waiting);
            }
            Delivery::Object(deposit) => {
                told_of_objects.push(deposit.place(to, messages, now)?);
            }
            Delivery::Archived(one) => delivered.archived += archives::insert(to, one, now)?,
            // Not counted: what is known is bounded by its five minutes.
            Delivery::Published(one) => published::remember(to, one, now)?,
        }
    }
    delivered.change.bytes += delivered.effects.bytes;
    // Their messages are counted already.
    for one in told_of_objects {
        delivered.add(one);
    }
    Ok(delivered)
}

/// Keeps everything or nothing, within the caller's transaction, which goes on either way.
pub(crate) fn deliver_whole<'a>(
    to: &Connection,
    messages: &Messages,
    deliveries: impl IntoIterator<Item = &'a Delivery>,
    now: Timestamp,
) -> Result<Result<Delivered, Refusal>, Error> {
    let batch = |sql| to.execute_batch(sql).doing("deliver");
    batch("SAVEPOINT deliver")?;
    let delivered = deliver(to, messages, deliveries, now);
    if delivered.is_err() {
        batch("ROLLBACK TO deliver")?;
    }
    batch("RELEASE deliver")?;
    match delivered {
        Ok(delivered) => Ok(Ok(delivered)),
        Err(NotSent::Refused(refusal)) => Ok(Err(refusal)),
        Err(NotSent::Store(error)) => Err(error),
    }
}
