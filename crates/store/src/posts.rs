//! What is to be posted to HTTP endpoints that have subscribed to topics, each for itself, until it was taken or is given up.
//!
//! Posts lie in the database of the queue of events and share its room: they come in the transaction that keeps a
//! publication's other deliveries ([`Delivery::Post`](crate::queue::Delivery)), and become a message of a dead-letter queue in
//! the one that removes them. A try that is under way leaves no mark: after a crash it is made again.
//!
//! ```text
//!  deliver ──► waiting ──taken──► gone
//!                │ ▲  └─given up─► gone, and perhaps a message of a dead-letter queue
//!                └─┘ again
//! ```

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use kiln_types::{SubscriptionId, Timestamp, TopicId};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::Notify;

use crate::error::{Doing, Error};
use crate::messages::NewMessage;
use crate::queue::{
    Change, DeliverError, Delivered, Delivery, Queue, deliver, drop_body, put_body, read_body,
};

/// What a post takes besides what it says, about.
const OVERHEAD_BYTES: u64 = 384;

/// The table, as a migration of `queue.db`. A key is never given twice: who still thinks of a post that is gone must not
/// mean another.
pub(crate) const TABLES: &str = "
    CREATE TABLE post (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account TEXT NOT NULL,
        topic TEXT NOT NULL,
        subscription BLOB NOT NULL,
        accepted INTEGER NOT NULL,
        due INTEGER NOT NULL,
        failures INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        body_id INTEGER,
        body BLOB
    ) STRICT;
";

/// A post to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPost {
    /// The topic.
    pub topic: TopicId,
    /// Which of its subscriptions.
    pub subscription: SubscriptionId,
    /// What is posted, in the words of whoever posts it.
    pub document: Bytes,
}

/// Names a post, for as long as the database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PostKey(i64);

/// A post that waits, without what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Names it.
    pub key: PostKey,
    /// The topic.
    pub topic: TopicId,
    /// Which of its subscriptions.
    pub subscription: SubscriptionId,
    /// When it is to be tried.
    pub due: Timestamp,
}

/// A post with what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// What is posted.
    pub document: Bytes,
    /// When it was accepted.
    pub accepted: Timestamp,
    /// How often it was tried in vain.
    pub failures: u32,
}

/// All posts that wait. Clones share them.
#[derive(Clone)]
pub struct Posts {
    queue: Queue,
}

/// Posts that came since it was last asked. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Arrivals {
    shared: Arc<(Mutex<Vec<Waiting>>, Notify)>,
}

impl NewPost {
    /// What it counts against the size of the queue.
    pub fn size(&self) -> u64 {
        self.document.len() as u64 + OVERHEAD_BYTES
    }
}

impl Arrivals {
    pub(crate) fn tell(&self, posts: &[Waiting]) {
        if posts.is_empty() {
            return;
        }
        let (waiting, notify) = &*self.shared;
        let mut waiting = waiting.lock().expect("no holder panics");
        waiting.extend_from_slice(posts);
        drop(waiting);
        notify.notify_one();
    }

    async fn take(&self) -> Vec<Waiting> {
        let (waiting, notify) = &*self.shared;
        loop {
            let notified = notify.notified();
            let taken = std::mem::take(&mut *waiting.lock().expect("no holder panics"));
            if !taken.is_empty() {
                return taken;
            }
            notified.await;
        }
    }
}

impl Posts {
    pub(crate) fn open(queue: Queue) -> Self {
        Self { queue }
    }

    /// All that wait. Those that come while this is read are told of besides: [`Self::arrived`].
    pub async fn waiting(&self) -> Result<Vec<Waiting>, Error> {
        let read = self.queue.database().read("list posts", waiting);
        read.await
    }

    /// Those that came since this was last asked, or since the start; waits until there are some.
    pub async fn arrived(&self) -> Vec<Waiting> {
        self.queue.posts_arrived().take().await
    }

    /// A post with what it says, while it waits.
    pub async fn get(&self, key: PostKey) -> Result<Option<Post>, Error> {
        let read = move |from: &Connection| get(from, key);
        self.queue.database().read("read post", read).await
    }

    /// Forgets a post that was taken, or that nobody wants any more.
    pub async fn done(&self, key: PostKey) -> Result<(), Error> {
        let work = move |to: &Connection| remove(to, key)?.count(to);
        let queue = self.queue.clone();
        let publish = move |change: &Change| queue.publish(*change, &[]);
        let database = self.queue.database();
        let done = database.write_then::<_, Error>("forget post", work, publish);
        done.await.map(|_| ())
    }

    /// Has a post that was tried in vain wait again.
    pub async fn again(&self, key: PostKey, failures: u32, due: Timestamp) -> Result<(), Error> {
        let work = move |to: &Connection| {
            to.prepare_cached("UPDATE post SET failures = ?2, due = ?3 WHERE id = ?1")
                .and_then(|mut update| update.execute(params![key.0, failures, due.as_millis()]))
                .doing("keep post")
                .map(|_| ())
        };
        self.queue.database().write("keep post", work).await
    }

    /// Forgets a post, and keeps the message that tells of it.
    ///
    /// # Errors
    /// As [`Queue::deliver`]; then the post still waits.
    pub async fn bury(
        &self,
        key: PostKey,
        letter: NewMessage,
        now: Timestamp,
    ) -> Result<(), DeliverError> {
        let room = self.queue.held().take(letter.size())?;
        let letter = Delivery::Message(letter);
        let messages = self.queue.messages().clone();
        let work = move |to: &Connection| {
            let removed = remove(to, key)?;
            let mut delivered = deliver(to, &messages, [&letter], now)?;
            delivered.change = (delivered.change + removed).count(to)?;
            Ok::<_, DeliverError>(delivered)
        };
        let queue = self.queue.clone();
        let publish = move |delivered: &Delivered| {
            queue.publish(delivered.change, &[]);
            queue.publish_delivered(delivered);
            drop(room);
        };
        let database = self.queue.database();
        let buried = database.write_then("give up post", work, publish);
        buried.await.map(|_| ())
    }
}

/// Keeps a post that is due at once; its bytes are yet to be counted.
pub(crate) fn insert(
    to: &Connection,
    post: &NewPost,
    now: Timestamp,
) -> Result<(Waiting, Change), Error> {
    let body = put_body(to, &post.document)?;
    let insert = "INSERT INTO post (account, topic, subscription, accepted, due, failures, bytes, body_id, body)
        VALUES (?1, ?2, ?3, ?4, ?4, 0, ?5, ?6, ?7)";
    let by = params![
        post.topic.account.as_str(),
        post.topic.name.as_str(),
        post.subscription.as_bytes(),
        now.as_millis(),
        post.size() as i64,
        body.id,
        body.inline,
    ];
    to.prepare_cached(insert)
        .and_then(|mut insert| insert.execute(by))
        .doing("keep post")?;
    let waiting = Waiting {
        key: PostKey(to.last_insert_rowid()),
        topic: post.topic.clone(),
        subscription: post.subscription,
        due: now,
    };
    Ok((waiting, Change::bytes(post.size() as i64)))
}

fn waiting(from: &Connection) -> rusqlite::Result<Vec<Waiting>> {
    let select = "SELECT id, account, topic, subscription, due FROM post ORDER BY id";
    let mut select = from.prepare_cached(select)?;
    let rows = select.query_map([], |row| {
        let id = |column: usize, why: String| {
            let text = rusqlite::types::Type::Text;
            rusqlite::Error::FromSqlConversionFailure(column, text, why.into())
        };
        let (account, name): (String, String) = (row.get(1)?, row.get(2)?);
        Ok(Waiting {
            key: PostKey(row.get(0)?),
            topic: TopicId {
                account: account.parse().map_err(|_| id(1, account))?,
                name: name.parse().map_err(|_| id(2, name))?,
            },
            subscription: SubscriptionId::from_bytes(row.get(3)?),
            due: Timestamp::from_millis(row.get(4)?),
        })
    })?;
    rows.collect()
}

fn get(from: &Connection, key: PostKey) -> rusqlite::Result<Option<Post>> {
    let select = "SELECT body_id, body, accepted, failures FROM post WHERE id = ?1";
    let found = from.prepare_cached(select)?.query_row([key.0], |row| {
        Ok(Post {
            document: read_body(from, row.get(0)?, row.get(1)?)?,
            accepted: Timestamp::from_millis(row.get(2)?),
            failures: row.get(3)?,
        })
    });
    found.optional()
}

/// What was counted and is given back.
fn remove(to: &Connection, key: PostKey) -> Result<Change, Error> {
    let remove = || {
        let found: Option<(i64, Option<i64>)> = to
            .prepare_cached("DELETE FROM post WHERE id = ?1 RETURNING bytes, body_id")?
            .query_row([key.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (bytes, body) = found.unwrap_or_default();
        drop_body(to, body)?;
        Ok(bytes)
    };
    Ok(Change::bytes(-remove().doing("forget post")?))
}
