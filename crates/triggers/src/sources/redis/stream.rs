//! Entries of a stream: what was handed out and not acknowledged first, then what is new.
//!
//! One connection waits for entries, another acknowledges: the server does nothing else on one that waits.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::connection::{Connection, Failure};
use super::group::{CONSUMER, Group};
use super::record::{Entry, Id};
use super::resp::Value;
use super::{Redis, record};
use crate::source::{Feed, Item, Trouble};

/// Entries that are asked for at a time.
pub(super) const ENTRIES_MAX: usize = 100;
/// How long the server waits for an entry before it says that there is none.
const WAIT: Duration = Duration::from_secs(5);
/// Entries that are acknowledged in one command.
const ACKNOWLEDGED_MAX: usize = 500;

/// Feeds a stream's entries until it is told to stop or cannot.
pub(super) async fn listen(redis: &Redis, group: &Group<'_>, feed: Feed) -> Result<(), Trouble> {
    let mut connection = redis.connect().await?;
    group.prepare(&mut connection, &feed).await?;
    let reader = Reader {
        connection,
        group,
        after: Some(Id::default()),
        asked: false,
        at_a_time: redis.at_a_time.load(Ordering::Relaxed),
    };
    let listener = Listener {
        reader,
        teller: redis.connect().await?,
        feed,
        origin: redis.origin(),
        open: VecDeque::new(),
        outbox: VecDeque::from([Item::Opened]),
        lost: 0,
    };
    let ended = listener.run().await;
    if let Err(Failure::TooLarge) = ended {
        // The same entries again, fewer of them at a time.
        let fewer = (redis.at_a_time.load(Ordering::Relaxed) / 4).max(1);
        redis.at_a_time.store(fewer, Ordering::Relaxed);
    }
    ended.map_err(Trouble::from)
}

/// Asks for entries.
struct Reader<'a> {
    connection: Connection,
    group: &'a Group<'a>,
    /// Of those that were handed out before: the last one that came. None once all have come.
    after: Option<Id>,
    /// Whether an answer is awaited.
    asked: bool,
    at_a_time: usize,
}

struct Listener<'a> {
    reader: Reader<'a>,
    teller: Connection,
    feed: Feed,
    origin: record::Origin,
    /// Entries that are not acknowledged.
    open: VecDeque<Id>,
    outbox: VecDeque<Item>,
    /// Entries that were gone before they were done.
    lost: u64,
}

impl Reader<'_> {
    /// Asks for the next entries, if it has not. It must not be given up half-way.
    async fn ask(&mut self) -> Result<(), Trouble> {
        if self.asked {
            return Ok(());
        }
        let count = self.at_a_time.to_string();
        let wait = WAIT.as_millis().to_string();
        let after = self.after.map(|id| id.to_string());
        let (key, name) = (self.group.key, self.group.name);
        let mut words = vec!["XREADGROUP", "GROUP", name, CONSUMER, "COUNT", &count];
        if after.is_none() {
            words.extend(["BLOCK", &wait]);
        }
        words.extend(["STREAMS", key, after.as_deref().unwrap_or(">")]);
        self.asked = true;
        self.connection.send(&words).await
    }

    /// What the server answers; what came of it so far stays when this is given up.
    async fn answer(&mut self) -> Result<Value, Failure> {
        let answer = tokio::time::timeout(WAIT * 3, self.connection.receive()).await;
        let late = |_| super::connection::lost("the server does not answer");
        let answer = answer.map_err(late)?;
        self.asked = false;
        answer
    }
}

impl Listener<'_> {
    async fn run(mut self) -> Result<(), Failure> {
        let items = self.feed.items.clone();
        loop {
            let has_news = !self.outbox.is_empty();
            if !has_news {
                self.reader.ask().await?;
            }
            let feed = &mut self.feed;
            tokio::select! {
                // What is done is said whatever else there is.
                biased;
                () = feed.stop.cancelled() => return self.acknowledge().await,
                changed = feed.confirmed.changed() => match changed {
                    Ok(()) => self.acknowledge().await?,
                    Err(_) => return Ok(()),
                },
                room = items.reserve(), if has_news => match room {
                    Ok(room) => room.send(self.outbox.pop_front().expect("it has news")),
                    Err(_) => return Ok(()),
                },
                answer = self.reader.answer(), if !has_news => {
                    let answer = answer?;
                    self.hear(&answer).await?;
                }
            }
        }
    }

    /// Acknowledges all up to where all is done.
    async fn acknowledge(&mut self) -> Result<(), Failure> {
        let confirmed = self.feed.confirmed.borrow_and_update().clone();
        let Some(done) = confirmed.and_then(|position| position.0.parse::<Id>().ok()) else {
            return Ok(());
        };
        let count = self.open.partition_point(|id| *id <= done);
        let done: Vec<String> = self.open.drain(..count).map(|id| id.to_string()).collect();
        for part in done.chunks(ACKNOWLEDGED_MAX) {
            let (key, name) = (self.reader.group.key, self.reader.group.name);
            let mut words = vec!["XACK", key, name];
            words.extend(part.iter().map(String::as_str));
            self.teller.ask(&words).await?;
        }
        Ok(())
    }

    async fn hear(&mut self, answer: &Value) -> Result<(), Failure> {
        // `[[key, [[id, [name, value, …]], …]]]`, or nothing.
        let entries = answer.list().first().map_or(&[][..], Value::list);
        let entries = entries.get(1).map_or(&[][..], Value::list);
        if entries.is_empty() {
            self.reader.after = None;
            return Ok(());
        }
        for entry in entries {
            let id = entry.list().first().and_then(Value::text);
            let id: Option<Id> = id.and_then(|text| text.parse().ok());
            let id = id.ok_or_else(|| super::connection::lost("the server sent a broken entry"))?;
            if let Some(after) = &mut self.reader.after {
                *after = id;
            }
            self.open.push_back(id);
            match entry.list().get(1) {
                Some(Value::List(fields)) => {
                    let entry = Entry {
                        key: self.reader.group.key,
                        id,
                        fields,
                    };
                    let record = entry.record(&self.origin);
                    self.outbox.push_back(Item::Record(record));
                }
                // It was handed out before, and has been deleted or trimmed since.
                _ => self.miss(),
            }
            self.outbox.push_back(Item::Mark(id.into()));
        }
        // What was done while nobody was connected is acknowledged at once.
        self.acknowledge().await
    }

    fn miss(&mut self) {
        self.lost += 1;
        let text = format!(
            "{} entries were removed from the stream before they were done: trim it later",
            self.lost
        );
        self.outbox.push_back(Item::Health(Some(text)));
    }
}
