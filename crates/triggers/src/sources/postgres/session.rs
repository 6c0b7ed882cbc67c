//! One stream of changes: transactions become records, and the server hears how far we are.
//!
//! What is read is handed on before anything more is read, so that a function that is slow slows the server's sender
//! and nothing piles up here. Meanwhile the server still hears from us, or it would take us for gone.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kiln_types::Clock;

use super::connection::{ChangeStream, lost};
use super::lsn::Lsn;
use super::pgoutput::{self, Begin, Carried, Message, Relation};
use super::record::{Change, Origin, What};
use super::{PrimaryKeys, setup};
use crate::source::{Feed, Item, Trouble};

/// How often the server hears from us in any case. It takes us for gone after a minute, unless told otherwise.
const STATUS_EVERY: Duration = Duration::from_secs(10);
/// After so many of these without a word the server is asked for one.
const SILENT_ASK: u32 = 6;
/// After so many the connection is given up.
const SILENT_MAX: u32 = 9;

/// What a stream needs besides itself.
pub(super) struct Setting {
    pub(super) feed: Feed,
    pub(super) origin: Origin,
    pub(super) keys: PrimaryKeys,
    /// The slot's name.
    pub(super) name: String,
    pub(super) lag_bytes_max: u64,
    pub(super) clock: Arc<dyn Clock>,
}

/// A stream and what is known of it.
pub(super) struct Session {
    stream: ChangeStream,
    setting: Setting,
    relations: HashMap<u32, Relation>,
    /// The transaction that is being read.
    transaction: Option<Begin>,
    /// Changes of it so far.
    place: u32,
    outbox: VecDeque<Item>,
    received: Lsn,
    marked: Lsn,
    done: Lsn,
    is_lagging: bool,
    /// Statuses since the server's last word.
    silent: u32,
}

impl Session {
    /// A stream whose server knows that all up to `done` is done.
    pub(super) fn new(stream: ChangeStream, setting: Setting, done: Lsn) -> Self {
        Self {
            stream,
            setting,
            relations: HashMap::new(),
            transaction: None,
            place: 0,
            outbox: VecDeque::from([Item::Opened]),
            received: done,
            marked: done,
            done,
            is_lagging: false,
            silent: 0,
        }
    }

    /// Reads until it is told to stop or the stream ends. `look_up` asks for the tables' primary keys.
    pub(super) async fn run<F, K>(mut self, look_up: F) -> Result<(), Trouble>
    where
        F: Fn() -> K + Send,
        K: Future<Output = Result<PrimaryKeys, Trouble>> + Send,
    {
        let mut beat = tokio::time::interval(STATUS_EVERY);
        let items = self.setting.feed.items.clone();
        loop {
            let has_news = !self.outbox.is_empty();
            let feed = &mut self.setting.feed;
            tokio::select! {
                // What is done is said whatever else there is.
                biased;
                () = feed.stop.cancelled() => {
                    self.tell_status(false).await?;
                    self.stream.close().await;
                    return Ok(());
                }
                changed = feed.confirmed.changed() => match changed {
                    Ok(()) => self.tell_status(false).await?,
                    Err(_) => return Ok(()),
                },
                _ = beat.tick() => self.beat().await?,
                room = items.reserve(), if has_news => match room {
                    Ok(room) => room.send(self.outbox.pop_front().expect("it has news")),
                    Err(_) => return Ok(()),
                },
                data = self.stream.next(), if !has_news => {
                    let data = data?.ok_or_else(|| lost("the database ended the stream"))?;
                    self.silent = 0;
                    self.hear(data, &look_up).await?;
                }
            }
        }
    }

    async fn beat(&mut self) -> Result<(), Trouble> {
        // While nothing is read nothing can be heard.
        if self.outbox.is_empty() {
            self.silent += 1;
        }
        if self.silent >= SILENT_MAX {
            return Err(lost("the database does not answer"));
        }
        self.tell_status(self.silent >= SILENT_ASK).await
    }

    /// Tells the server how far we are.
    async fn tell_status(&mut self, wants_answer: bool) -> Result<(), Trouble> {
        let confirmed = self.setting.feed.confirmed.borrow_and_update().clone();
        if let Some(position) = confirmed {
            self.done = self.done.max(position.0.parse()?);
        }
        self.look_at_lag();
        let now_ms = self.setting.clock.timestamp().as_millis();
        let status = pgoutput::status(self.received, self.done, now_ms, wants_answer);
        self.stream.send(&status).await
    }

    /// Tells of a server that keeps much of its log for us, and of one that no longer does.
    fn look_at_lag(&mut self) {
        let lag = self.received.since(self.done);
        let max = self.setting.lag_bytes_max;
        if !self.is_lagging && lag > max {
            self.is_lagging = true;
            let text = setup::held_back(&self.setting.name, lag);
            self.outbox.push_back(Item::Health(Some(text)));
        } else if self.is_lagging && lag <= max / 2 {
            self.is_lagging = false;
            self.outbox.push_back(Item::Health(None));
        }
    }

    async fn hear<F, K>(&mut self, data: Bytes, look_up: &F) -> Result<(), Trouble>
    where
        F: Fn() -> K,
        K: Future<Output = Result<PrimaryKeys, Trouble>>,
    {
        match pgoutput::carried(data)? {
            Some(Carried::Data { end, message }) => {
                self.received = self.received.max(end);
                match pgoutput::message(message)? {
                    Message::Relation(relation) => self.learn(relation, look_up).await?,
                    message => self.take(message)?,
                }
            }
            Some(Carried::KeepAlive { end, wants_answer }) => {
                self.received = self.received.max(end);
                // Between transactions all that the server has read is behind us, though none of it was ours.
                if self.transaction.is_none() {
                    self.mark(end);
                }
                if wants_answer {
                    self.tell_status(false).await?;
                }
            }
            None => {}
        }
        Ok(())
    }

    fn mark(&mut self, end: Lsn) {
        if end > self.marked {
            self.marked = end;
            self.outbox.push_back(Item::Mark(end.into()));
        }
    }

    /// A table is, or has become, like this.
    async fn learn<F, K>(&mut self, relation: Relation, look_up: &F) -> Result<(), Trouble>
    where
        F: Fn() -> K,
        K: Future<Output = Result<PrimaryKeys, Trouble>>,
    {
        let has = |column: &String| relation.columns.iter().any(|known| known.name == *column);
        let key = self.setting.keys.get(&relation.oid);
        let is_known = key.is_some_and(|key| key.iter().all(has));
        if relation.is_full && !is_known {
            self.setting.keys = look_up().await?;
        }
        self.relations.insert(relation.oid, relation);
        Ok(())
    }

    fn take(&mut self, message: Message) -> Result<(), Trouble> {
        match message {
            Message::Begin(begin) => {
                self.transaction = Some(begin);
                self.place = 0;
            }
            Message::Commit { end } => {
                self.transaction = None;
                self.mark(end);
            }
            Message::Insert { relation, new } => self.change(relation, What::Insert(new))?,
            Message::Update { relation, old, new } => {
                self.change(relation, What::Update(old, new))?;
            }
            Message::Delete { relation, old } => self.change(relation, What::Delete(old))?,
            Message::Truncate { relations } => {
                for relation in relations {
                    self.change(relation, What::Truncate)?;
                }
            }
            Message::Relation(_) | Message::Other => {}
        }
        Ok(())
    }

    fn change(&mut self, relation: u32, what: What) -> Result<(), Trouble> {
        let known = self.relations.get(&relation).zip(self.transaction);
        let (relation, transaction) = known.ok_or_else(|| {
            Trouble::new("the database sent a change of a table it did not tell of")
        })?;
        let primary_key = self.setting.keys.get(&relation.oid);
        let change = Change {
            relation,
            primary_key: primary_key.map_or(&[], Vec::as_slice),
            transaction,
            place: self.place,
            what,
        };
        self.place = self.place.saturating_add(1);
        let record = change.record(&self.setting.origin);
        self.outbox.push_back(Item::Record(record));
        Ok(())
    }
}
