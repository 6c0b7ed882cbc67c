//! The durable queue of asynchronous events, and the dead letters that come out of it.
//!
//! `queue.db` is synced with every commit but claims: what [`Queue::accept`] has returned from is never
//! lost.
//! An event is in one of these places, and moves between them by one transaction each:
//!
//! ```text
//!  accept ──► waiting ──claim──► running ──settle──┬──► gone   (and perhaps another event: its destination's)
//!                ▲                  │              └──► dead letter ──redrive──► waiting
//!                └──settle (again)──┤                        └──purge──► gone
//!                └──────crash───────┘
//! ```
//!
//! Events lie in one b-tree, by a key of three parts: the function's lane, when the event is due, and
//! a number (`key.rs`). So each function's events lie together in the order in which they are due, and
//! a million that wait for one function are never read to find those of another.
//! A claim writes a short row beside the event and does not touch the event itself; what a crash left
//! claimed is counted as redelivered when the database is opened again.
//!
//! The totals are part of every transaction, so that at any time, after any crash,
//! received = succeeded + failed + dropped + dead letters + waiting and running.
//! Start reading at [`Queue`], then `accept.rs`, `claim.rs` and `settle.rs`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kiln_types::account::AccountId;
use kiln_types::{FunctionId, RequestId, Timestamp, TopicId};

use crate::archives;
use crate::database::{Checkpoint, Database, Durability, Spec};
use crate::error::Error;
use crate::messages::{self, Messages};
use crate::objects::{self, Deposited};
use crate::posts;
use crate::schedules;

mod accept;
mod arrivals;
mod claim;
mod dead;
mod deliver;
mod erase;
mod event;
mod hasten;
mod key;
mod lane;
mod list;
mod published;
mod room;
mod settle;
mod totals;

pub use arrivals::{Arrival, Arrivals};
pub use claim::{Ask, Claimed};
pub use dead::Selection;
pub use deliver::{DeliverError, Delivery};
pub(crate) use deliver::{Delivered, deliver, deliver_whole};
pub use event::{DeadLetter, Event, NewEvent, Reason};
pub(crate) use event::{drop_body, put_body, read_body};
pub use key::{Key, Lane};
pub use list::{ListQuery, Listed, Place, Shown};
pub use published::Published;
pub use room::Full;
pub(crate) use room::{Held, Room};
pub use settle::{Again, Settlement, Told};
use settle::{Settled, Settling};
pub(crate) use totals::Change;
pub use totals::Totals;

const QUEUE: Spec = Spec {
    file: "queue.db",
    durability: Durability::Disk,
    linger: Duration::ZERO,
    checkpoint: Checkpoint::Beside,
    wipes: false,
    migrations: &[
        "
        CREATE TABLE lane (
            no INTEGER PRIMARY KEY,
            account TEXT NOT NULL,
            name TEXT NOT NULL,
            UNIQUE (account, name)
        ) STRICT;
        CREATE TABLE event (
            id INTEGER PRIMARY KEY,
            request_id BLOB NOT NULL,
            accepted INTEGER NOT NULL,
            failures INTEGER NOT NULL,
            delays INTEGER NOT NULL,
            starts INTEGER NOT NULL,
            redelivered INTEGER NOT NULL,
            head TEXT NOT NULL,
            bytes INTEGER NOT NULL,
            body_id INTEGER,
            body BLOB
        ) STRICT;
        CREATE TABLE running (id INTEGER PRIMARY KEY) STRICT;
        CREATE TABLE dead (
            id INTEGER PRIMARY KEY,
            account TEXT NOT NULL,
            name TEXT NOT NULL,
            request_id BLOB NOT NULL,
            accepted INTEGER NOT NULL,
            died INTEGER NOT NULL,
            reason TEXT NOT NULL,
            error TEXT NOT NULL,
            starts INTEGER NOT NULL,
            redelivered INTEGER NOT NULL,
            head TEXT NOT NULL,
            bytes INTEGER NOT NULL,
            body_id INTEGER,
            body BLOB
        ) STRICT;
        CREATE TABLE body (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
        CREATE TABLE total (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            received INTEGER NOT NULL,
            succeeded INTEGER NOT NULL,
            failed INTEGER NOT NULL,
            dropped INTEGER NOT NULL,
            retried INTEGER NOT NULL,
            redelivered INTEGER NOT NULL,
            redriven INTEGER NOT NULL,
            queued INTEGER NOT NULL,
            dead INTEGER NOT NULL,
            bytes INTEGER NOT NULL
        ) STRICT;
        INSERT INTO total VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    ",
        "
        CREATE INDEX dead_of ON dead (account, name);
        CREATE INDEX dead_by_request ON dead (request_id);
    ",
        messages::TABLES,
        schedules::TABLES,
        published::TABLES,
        "ALTER TABLE total ADD COLUMN untold INTEGER NOT NULL DEFAULT 0;",
        objects::TABLES,
        objects::VERSIONS,
        messages::LANES,
        posts::TABLES,
        archives::TABLES,
        key::FROM_TICKS_OF_10_MS,
    ],
};

/// Asynchronous events that wait or run, and dead letters.
#[derive(Clone)]
pub struct Queue {
    database: Arc<Database>,
    held: Held,
    arrivals: Arrivals,
    messages: Messages,
    posts_arrived: posts::Arrivals,
    /// Bytes in archives.
    archived: Arc<AtomicU64>,
}

/// Why an event was not accepted. It is not in the queue.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The queue has no room.
    #[error(transparent)]
    Full(#[from] Full),
    /// The store could not keep it.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Queue {
    /// Opens the queue. What was running when the last process ended waits again, at once.
    /// One during which the process ended more than once waits a while: it may be the reason.
    pub(crate) fn open(dir: &Path, bytes_max: u64, now: Timestamp) -> Result<Self, Error> {
        let recover = |to: &rusqlite::Connection| {
            messages::recover(to, now)?;
            claim::recover(to, now)
        };
        let (database, totals) = Database::open_with(dir, &QUEUE, recover)?;
        let database = Arc::new(database);
        let held = Held::new(totals, bytes_max);
        Ok(Self {
            messages: Messages::open(database.clone(), held.clone(), now)?,
            database,
            held,
            arrivals: Arrivals::default(),
            posts_arrived: posts::Arrivals::default(),
            archived: Arc::default(),
        })
    }

    /// Keeps an event that is due from `now` on; it is on disk when this returns.
    ///
    /// # Errors
    /// [`AcceptError::Full`] when it would take the queue above its size.
    pub async fn accept(&self, event: NewEvent, now: Timestamp) -> Result<(), AcceptError> {
        let room = self.held.take(event.size())?;
        let work = move |to: &rusqlite::Connection| accept::accept(to, &event, now);
        let queue = self.clone();
        let publish = move |(arrival, change): &(Arrival, Change)| {
            queue.publish(*change, std::slice::from_ref(arrival));
            // Only now, so that it is never given away twice.
            drop(room);
        };
        let accepted = self.database.write_then("accept event", work, publish);
        accepted.await.map(|_| ()).map_err(AcceptError::Store)
    }

    /// Keeps all that is given, due from `now` on, or nothing of it; it is on disk when this returns.
    ///
    /// # Errors
    /// [`DeliverError::Full`] when it would take the queue above its size, and
    /// [`DeliverError::Refused`] when a message queue does not take its message.
    pub async fn deliver(
        &self,
        deliveries: Vec<Delivery>,
        now: Timestamp,
    ) -> Result<(), DeliverError> {
        let room = self
            .held
            .take(deliveries.iter().map(Delivery::size).sum())?;
        let deposits = deliver::deposits(&deliveries);
        deliver::prepare(&deposits).await?;
        let messages = self.messages.clone();
        let work = move |to: &rusqlite::Connection| {
            let mut delivered = deliver(to, &messages, &deliveries, now)?;
            delivered.change = delivered.change.count(to)?;
            Ok::<_, DeliverError>(delivered)
        };
        let queue = self.clone();
        let publish = move |delivered: &Delivered| {
            queue.publish(delivered.change, &[]);
            queue.publish_delivered(delivered);
            drop(room);
        };
        let delivered = self.database.write_then("deliver", work, publish).await;
        match delivered {
            Ok(delivered) => {
                deliver::finish(delivered.deposited).await;
                Ok(())
            }
            Err(error) => {
                if let DeliverError::Store(error) = &error {
                    deliver::give_up(&deposits, error);
                }
                Err(error)
            }
        }
    }

    /// The number of the last message of a FIFO topic, and of each digest the message that was published under it
    /// within five minutes ([`Delivery::Published`]).
    pub async fn published(
        &self,
        topic: &TopicId,
        digests: Vec<[u8; 16]>,
        now: Timestamp,
    ) -> Result<(u64, Vec<Option<Published>>), Error> {
        let topic = topic.clone();
        let read = move |from: &rusqlite::Connection| published::find(from, &topic, &digests, now);
        self.database
            .read("look for what was published", read)
            .await
    }

    /// What was committed shows in the totals, and whoever runs events hears of it.
    pub(crate) fn publish(&self, change: Change, arrivals: &[Arrival]) {
        self.held.apply(change);
        for arrival in arrivals {
            self.arrivals.tell(arrival.clone());
        }
    }

    /// Whoever is sent something that was committed hears of it; it was counted already.
    pub(crate) fn publish_delivered(&self, delivered: &Delivered) {
        self.publish(Change::default(), &delivered.arrivals);
        self.messages.publish(&delivered.effects);
        self.posts_arrived.tell(&delivered.posts);
        delivered.deposited.iter().for_each(Deposited::keep);
        self.archived
            .fetch_add(delivered.archived, Ordering::Relaxed);
    }

    /// Takes events of a function that are due, those due first first. That they were started once more is
    /// known before this returns to whoever comes after a crash of the process.
    /// The disk is not waited for: after a power cut an event may have been started without being
    /// counted, and is there all the same.
    pub async fn claim(&self, ask: Ask, now: Timestamp) -> Result<Claimed, Error> {
        let work = move |to: &rusqlite::Connection| claim::claim(to, &ask, now);
        let queue = self.clone();
        let publish = move |(_, change): &(Claimed, Change)| queue.publish(*change, &[]);
        let claimed = self.database.write_to_kernel("claim events", work, publish);
        claimed.await.map(|(claimed, _)| claimed)
    }

    /// Ends what a claim began; it is on disk when this returns.
    pub async fn settle(&self, key: Key, settlement: Settlement) -> Result<(), Error> {
        let deposits = settlement.deposits();
        deliver::prepare(&deposits).await?;
        let queue = self.clone();
        let work = move |to: &rusqlite::Connection| {
            let at = Settling {
                to,
                messages: &queue.messages,
                bytes_max: queue.held.unpromised_bytes(),
            };
            settle::settle(&at, key, &settlement)
        };
        let queue = self.clone();
        let publish = move |settled: &Settled| {
            queue.publish(settled.change, &settled.arrivals);
            queue.publish_delivered(&settled.delivered);
        };
        let settled = self
            .database
            .write_then("settle event", work, publish)
            .await;
        match settled {
            Ok(settled) => {
                deliver::finish(settled.delivered.deposited).await;
                Ok(())
            }
            Err(error) => {
                deliver::give_up(&deposits, &error);
                Err(error)
            }
        }
    }

    /// Every function that has events, and when the first of each is due. Reads an entry a function.
    pub async fn lanes(&self) -> Result<Vec<Arrival>, Error> {
        self.database.read("list lanes", lane::all).await
    }

    /// Makes events that are due later than `latest` due at about that time; returns how many.
    pub async fn hasten(&self, latest: Timestamp) -> Result<u64, Error> {
        let (mut count, mut from) = (0, hasten::Cursor::new(latest));
        // In parts, so that accepts come in between.
        loop {
            let work = move |to: &rusqlite::Connection| hasten::hasten(to, latest, from);
            let queue = self.clone();
            let publish =
                move |part: &hasten::Part| queue.publish(Change::default(), &part.arrivals);
            let part = self
                .database
                .write_then::<_, Error>("hasten events", work, publish);
            let part = part.await?;
            count += part.arrivals.len() as u64;
            match part.next {
                Some(next) => from = next,
                None => return Ok(count),
            }
        }
    }

    /// Tells of events that come due earlier than was known, by their functions.
    pub fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }

    /// What became of all events ever accepted.
    pub fn totals(&self) -> Totals {
        self.held.totals()
    }

    /// Message queues.
    pub fn messages(&self) -> &Messages {
        &self.messages
    }

    /// A page of an account's events or dead letters. Reads the heads of all that come before.
    pub async fn list(&self, query: ListQuery) -> Result<Listed, Error> {
        self.database
            .read("list events", move |from| list::list(from, &query))
            .await
    }

    /// An event or a dead letter with its payload, by the id its caller got. Reads the head of
    /// every event before it.
    pub async fn show(
        &self,
        account: &AccountId,
        request_id: RequestId,
    ) -> Result<Option<Shown>, Error> {
        let account = account.clone();
        self.database
            .read("show event", move |from| {
                list::show(from, &account, request_id)
            })
            .await
    }

    /// Makes dead letters events again, as if just accepted; returns how many. They keep their ids. One
    /// that cannot be read stays what it is.
    pub async fn redrive(&self, selection: Selection, now: Timestamp) -> Result<u64, Error> {
        let (mut count, mut after) = (0, dead::Cursor::default());
        // In parts, so that accepts come in between.
        loop {
            let selection = selection.clone();
            let work = move |to: &rusqlite::Connection| dead::redrive(to, &selection, &after, now);
            let queue = self.clone();
            let publish = move |(settled, _): &(Settled, _)| {
                queue.publish(settled.change, &settled.arrivals);
            };
            let done = self
                .database
                .write_then::<_, Error>("redrive dead letters", work, publish);
            let (settled, next) = done.await?;
            count += settled.arrivals.len() as u64;
            match next {
                Some(next) => after = next,
                None => return Ok(count),
            }
        }
    }

    /// Forgets dead letters for good; returns how many.
    pub async fn purge(&self, selection: Selection) -> Result<u64, Error> {
        let (mut count, mut after) = (0, dead::Cursor::default());
        loop {
            let selection = selection.clone();
            let work = move |to: &rusqlite::Connection| dead::purge(to, &selection, &after);
            let queue = self.clone();
            let publish = move |(change, _): &(Change, _)| queue.publish(*change, &[]);
            let done = self
                .database
                .write_then::<_, Error>("purge dead letters", work, publish);
            let (change, next) = done.await?;
            count += change.dropped.unsigned_abs();
            match next {
                Some(next) => after = next,
                None => return Ok(count),
            }
        }
    }

    /// What schedules share with it.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) fn archived(&self) -> &Arc<AtomicU64> {
        &self.archived
    }

    pub(crate) fn posts_arrived(&self) -> &posts::Arrivals {
        &self.posts_arrived
    }

    pub(crate) fn held(&self) -> &Held {
        &self.held
    }

    pub(crate) async fn close(&self) -> Result<(), Error> {
        self.database.close().await
    }
}

/// The function of a lane.
pub(crate) fn function(account: &str, name: &str) -> rusqlite::Result<FunctionId> {
    let invalid = |error: kiln_types::InvalidName| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    };
    Ok(FunctionId {
        account: account.parse().map_err(invalid)?,
        name: name.parse().map_err(invalid)?,
    })
}
