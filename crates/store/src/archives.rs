//! Archives of event buses: their definitions, the events in them, and replays.
//!
//! All of it lies in the database of the queue of events, so that an event comes into an archive in the transaction in
//! which it is published ([`Delivery::Archived`](crate::queue::Delivery)), and a replay's progress is kept with what it
//! sends. What archives hold is bounded apart from the queue: events may stay in them for ever.
//!
//! Definitions are in memory as well; what a publication asks is answered from there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use bytes::Bytes;
use kiln_types::{AccountId, Archive, ArchiveId, BusId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::Notify;

use crate::document;
use crate::error::{Doing, Error};
use crate::queue::{Queue, drop_body, put_body};

mod replay;

pub use replay::{ReplayError, Replayed, Replays, Step, Stepped};

/// What an event takes besides what it says, about.
const OVERHEAD_BYTES: u64 = 256;
/// Events that are removed in one transaction.
const PART_MAX: usize = 512;

/// The tables, as a migration of `queue.db`. Keys are never given twice, so that none means the events of one before.
pub(crate) const TABLES: &str = "
    CREATE TABLE archive (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        document TEXT NOT NULL,
        events INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        UNIQUE (account, name)
    ) STRICT;
    CREATE TABLE archived (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        archive INTEGER NOT NULL,
        at INTEGER NOT NULL,
        kept INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        body_id INTEGER,
        body BLOB
    ) STRICT;
    CREATE INDEX archived_at ON archived (archive, at, id);
    CREATE INDEX archived_kept ON archived (archive, kept);
    CREATE TABLE replay (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        document TEXT NOT NULL,
        is_over INTEGER NOT NULL,
        archive INTEGER NOT NULL,
        -- The last event that was in the archive when it began.
        newest INTEGER NOT NULL,
        -- The last one that was sent.
        at INTEGER,
        event INTEGER,
        UNIQUE (account, name)
    ) STRICT;
    CREATE INDEX replay_active ON replay (id) WHERE is_over = 0;
";

/// An event for an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewArchived {
    /// The archive.
    pub archive: ArchiveId,
    /// When the event happened, by what it says itself.
    pub at: Timestamp,
    /// The event as its bus got it: JSON.
    pub event: Bytes,
}

/// What is in an archive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Events.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Why archives were not changed.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// There is no such archive.
    #[error("archive {0} does not exist")]
    NoArchive(ArchiveId),
    /// There is such an archive.
    #[error("archive {0} exists already")]
    Exists(ArchiveId),
    /// There are as many as there may be.
    #[error("there are {0} already")]
    TooMany(usize),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// All archives of all accounts. Clones share them.
#[derive(Clone)]
pub struct Archives {
    queue: Queue,
    shared: Arc<Shared>,
}

struct Shared {
    by_bus: RwLock<BTreeMap<BusId, Arc<OfBus>>>,
    bytes_max: u64,
    bytes: Arc<AtomicU64>,
    /// Something is to be removed.
    waste: Notify,
    /// A replay was started.
    began: Arc<Notify>,
}

/// The archives of a bus, replaced whole by every change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OfBus {
    /// By their names.
    pub archives: BTreeMap<ArchiveId, Arc<Archive>>,
}

impl NewArchived {
    /// What it counts against what archives may hold.
    pub fn size(&self) -> u64 {
        self.event.len() as u64 + OVERHEAD_BYTES
    }
}

impl Archives {
    pub(crate) fn open(queue: Queue, bytes_max: u64) -> Result<Self, Error> {
        let (documents, bytes) = queue.database().read_now("read archives", |from| {
            let bytes = "SELECT coalesce(sum(bytes), 0) FROM archived";
            let bytes: i64 = from.query_row(bytes, [], |row| row.get(0))?;
            Ok((document::all(from, "archive")?, bytes))
        })?;
        queue
            .archived()
            .store(bytes.max(0) as u64, Ordering::Relaxed);
        let mut by_bus: BTreeMap<BusId, OfBus> = BTreeMap::new();
        for document in documents {
            let archive = Arc::new(decode(&document)?);
            let of = by_bus.entry(archive.bus.clone()).or_default();
            of.archives.insert(archive.id.clone(), archive);
        }
        let shared = |(bus, of)| (bus, Arc::new(of));
        Ok(Self {
            shared: Arc::new(Shared {
                by_bus: RwLock::new(by_bus.into_iter().map(shared).collect()),
                bytes_max,
                bytes: queue.archived().clone(),
                waste: Notify::new(),
                began: Arc::default(),
            }),
            queue,
        })
    }

    /// Replays of what is in them.
    pub fn replays(&self) -> Replays {
        Replays::new(self.queue.clone(), self.shared.began.clone())
    }

    /// The archives of a bus, if it has any. From memory.
    pub fn of_bus(&self, bus: &BusId) -> Option<Arc<OfBus>> {
        let by_bus = self.shared.by_bus.read().expect("no holder panics");
        by_bus.get(bus).cloned()
    }

    /// An archive. From memory.
    pub fn get(&self, id: &ArchiveId) -> Option<Arc<Archive>> {
        let by_bus = self.shared.by_bus.read().expect("no holder panics");
        by_bus.values().find_map(|of| of.archives.get(id).cloned())
    }

    /// The archives of an account, by name. From memory.
    pub fn list(&self, account: &AccountId) -> Vec<Arc<Archive>> {
        let by_bus = self.shared.by_bus.read().expect("no holder panics");
        let all = by_bus.values().flat_map(|of| of.archives.values());
        let own = all.filter(|archive| archive.id.account == *account);
        let mut own: Vec<_> = own.cloned().collect();
        own.sort_by(|a, b| a.id.cmp(&b.id));
        own
    }

    /// What all archives may hold, when they hold that; publications they want are refused then.
    pub fn full(&self) -> Option<u64> {
        let bytes = self.shared.bytes.load(Ordering::Relaxed);
        (bytes >= self.shared.bytes_max).then_some(self.shared.bytes_max)
    }

    /// What is in an archive.
    pub async fn held(&self, id: &ArchiveId) -> Result<Held, Error> {
        let id = id.clone();
        let read = move |from: &Connection| {
            let select = "SELECT events, bytes FROM archive WHERE account = ?1 AND name = ?2";
            let key = [id.account.as_str(), id.name.as_str()];
            let found = from.prepare_cached(select)?.query_row(key, |row| {
                Ok(Held {
                    events: row.get::<_, i64>(0)?.max(0) as u64,
                    bytes: row.get::<_, i64>(1)?.max(0) as u64,
                })
            });
            Ok(found.optional()?.unwrap_or_default())
        };
        self.queue.database().read("read archive", read).await
    }

    /// Keeps a new archive. Fails when there is one of its name, and with [`ArchiveError::TooMany`] when the account has
    /// `count_max`.
    pub async fn create(&self, archive: Archive, count_max: usize) -> Result<(), ArchiveError> {
        let work = move |to: &Connection| {
            if find(to, &archive.id)?.is_some() {
                return Err(ArchiveError::Exists(archive.id));
            }
            let count = count(to, &archive.id.account)?;
            if count >= count_max {
                return Err(ArchiveError::TooMany(count));
            }
            let document = encode(&archive)?;
            let insert = "INSERT INTO archive (account, name, document, events, bytes) VALUES (?1, ?2, ?3, 0, 0)";
            let (account, name) = (archive.id.account.as_str(), archive.id.name.as_str());
            to.execute(insert, params![account, name, document])
                .doing("keep archive")?;
            Ok(archive)
        };
        self.change("create archive", work).await.map(|_| ())
    }

    /// Lets `change` alter an archive, and keeps the result; what `change` refuses is not kept. Its bus stays what it is.
    ///
    /// `change` runs on the store's writer thread: it must not block or do anything long.
    pub async fn update<F>(&self, id: &ArchiveId, change: F) -> Result<Arc<Archive>, ArchiveError>
    where
        F: FnOnce(&mut Archive) + Send + 'static,
    {
        let id = id.clone();
        let work = move |to: &Connection| {
            let Some((number, before)) = find(to, &id)? else {
                return Err(ArchiveError::NoArchive(id));
            };
            let mut archive = before.clone();
            change(&mut archive);
            (archive.id, archive.bus) = (before.id, before.bus);
            let document = encode(&archive)?;
            to.execute(
                "UPDATE archive SET document = ?2 WHERE id = ?1",
                params![number, document],
            )
            .doing("keep archive")?;
            Ok(archive)
        };
        self.change("update archive", work).await
    }

    async fn change<F>(&self, doing: &'static str, work: F) -> Result<Arc<Archive>, ArchiveError>
    where
        F: FnOnce(&Connection) -> Result<Archive, ArchiveError> + Send + 'static,
    {
        let shared = self.shared.clone();
        let publish = move |archive: &Arc<Archive>| {
            let mut by_bus = shared.by_bus.write().expect("no holder panics");
            let of = by_bus.entry(archive.bus.clone()).or_default();
            let mut changed = OfBus::clone(of);
            changed.archives.insert(archive.id.clone(), archive.clone());
            *of = Arc::new(changed);
        };
        let work = move |to: &Connection| work(to).map(Arc::new);
        let database = self.queue.database();
        database.write_then(doing, work, publish).await
    }

    /// Forgets an archive; its events are removed behind the caller's back.
    pub async fn remove(&self, id: &ArchiveId) -> Result<(), ArchiveError> {
        let id = id.clone();
        let work = move |to: &Connection| {
            let Some((number, archive)) = find(to, &id)? else {
                return Err(ArchiveError::NoArchive(id));
            };
            to.execute("DELETE FROM archive WHERE id = ?1", [number])
                .doing("remove archive")?;
            Ok(archive)
        };
        let shared = self.shared.clone();
        let publish = move |archive: &Archive| {
            let mut by_bus = shared.by_bus.write().expect("no holder panics");
            if let Some(of) = by_bus.get(&archive.bus) {
                let mut changed = OfBus::clone(of);
                changed.archives.remove(&archive.id);
                match changed.archives.is_empty() {
                    true => drop(by_bus.remove(&archive.bus)),
                    false => drop(by_bus.insert(archive.bus.clone(), Arc::new(changed))),
                }
            }
            drop(by_bus);
            shared.waste.notify_one();
        };
        let database = self.queue.database();
        let removed = database.write_then("remove archive", work, publish);
        removed.await.map(|_| ())
    }

    /// Removes the archives of an account that is erased, with their events.
    pub(crate) async fn erase(&self, account: &AccountId, now: Timestamp) -> Result<(), Error> {
        for archive in self.list(account) {
            match self.remove(&archive.id).await {
                Ok(()) | Err(ArchiveError::NoArchive(_)) => {}
                Err(ArchiveError::Store(error)) => return Err(error),
                Err(ArchiveError::Exists(_) | ArchiveError::TooMany(_)) => {
                    unreachable!("nothing is made")
                }
            }
        }
        self.expire(now).await.map(|_| ())
    }

    /// Waits until an archive is removed that may have had events.
    pub async fn something_is_over(&self) {
        self.shared.waste.notified().await;
    }

    /// Removes events that are older than their archives keep them, and those of archives that are gone; returns how many.
    pub async fn expire(&self, now: Timestamp) -> Result<u64, Error> {
        let mut count = 0;
        loop {
            let work = move |to: &Connection| expire_part(to, now);
            let shared = self.shared.clone();
            let publish = move |removed: &Held| {
                shared.bytes.fetch_sub(removed.bytes, Ordering::Relaxed);
            };
            let database = self.queue.database();
            let part = database.write_then::<_, Error>("remove archived events", work, publish);
            let part = part.await?;
            count += part.events;
            if part.events == 0 {
                return Ok(count);
            }
        }
    }
}

/// Keeps an event, unless its archive is gone.
pub(crate) fn insert(to: &Connection, one: &NewArchived, now: Timestamp) -> Result<u64, Error> {
    let count = "UPDATE archive SET events = events + 1, bytes = bytes + ?3
        WHERE account = ?1 AND name = ?2 RETURNING id";
    let size = one.size() as i64;
    let (account, name) = (one.archive.account.as_str(), one.archive.name.as_str());
    let number: Option<i64> = to
        .prepare_cached(count)
        .and_then(|mut count| {
            let id = count.query_row(params![account, name, size], |row| row.get(0));
            id.optional()
        })
        .doing("count archived event")?;
    let Some(number) = number else {
        return Ok(0);
    };
    let body = put_body(to, &one.event)?;
    let insert = "INSERT INTO archived (archive, at, kept, bytes, body_id, body)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let (at, kept) = (one.at.as_millis(), now.as_millis());
    let by = params![number, at, kept, size, body.id, body.inline];
    to.prepare_cached(insert)
        .and_then(|mut insert| insert.execute(by))
        .doing("keep archived event")?;
    Ok(one.size())
}

fn expire_part(to: &Connection, now: Timestamp) -> Result<Held, Error> {
    let remove = || {
        let mut removed = Held::default();
        let orphans =
            "SELECT id FROM archived WHERE archive NOT IN (SELECT id FROM archive) LIMIT ?1";
        let orphans = ids(to, orphans, params![PART_MAX as i64])?;
        removed.add(delete(to, &orphans)?);
        let archives: Vec<(i64, String)> = to
            .prepare_cached("SELECT id, document FROM archive")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        for (number, document) in archives {
            let days = decode(&document).map_or(0, |archive| archive.retention_days);
            if days == 0 {
                continue;
            }
            let oldest = now.as_millis() - i64::from(days) * 86_400_000;
            let old = "SELECT id FROM archived WHERE archive = ?1 AND kept < ?2 LIMIT ?3";
            let old = ids(to, old, params![number, oldest, PART_MAX as i64])?;
            let gone = delete(to, &old)?;
            let count = "UPDATE archive SET events = events - ?2, bytes = bytes - ?3 WHERE id = ?1";
            let by = params![number, gone.events as i64, gone.bytes as i64];
            to.prepare_cached(count)?.execute(by)?;
            removed.add(gone);
        }
        Ok(removed)
    };
    remove().doing("remove archived events")
}

fn ids(from: &Connection, select: &str, by: impl rusqlite::Params) -> rusqlite::Result<Vec<i64>> {
    let mut select = from.prepare_cached(select)?;
    let rows = select.query_map(by, |row| row.get(0))?;
    rows.collect()
}

fn delete(to: &Connection, events: &[i64]) -> rusqlite::Result<Held> {
    let mut removed = Held::default();
    for id in events {
        let (bytes, body): (i64, Option<i64>) = to
            .prepare_cached("DELETE FROM archived WHERE id = ?1 RETURNING bytes, body_id")?
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        drop_body(to, body)?;
        removed.add(Held {
            events: 1,
            bytes: bytes.max(0) as u64,
        });
    }
    Ok(removed)
}

impl Held {
    fn add(&mut self, other: Held) {
        self.events += other.events;
        self.bytes += other.bytes;
    }
}

fn find(from: &Connection, id: &ArchiveId) -> Result<Option<(i64, Archive)>, Error> {
    let select = "SELECT id, document FROM archive WHERE account = ?1 AND name = ?2";
    let found: Option<(i64, String)> = from
        .prepare_cached(select)
        .and_then(|mut select| {
            let key = [id.account.as_str(), id.name.as_str()];
            let row = select.query_row(key, |row| Ok((row.get(0)?, row.get(1)?)));
            row.optional()
        })
        .doing("read archive")?;
    let read = |(number, document): (i64, String)| Ok((number, decode(&document)?));
    found.map(read).transpose()
}

fn count(from: &Connection, account: &AccountId) -> Result<usize, Error> {
    let count: i64 = from
        .query_row(
            "SELECT count(*) FROM archive WHERE account = ?1",
            [account.as_str()],
            |row| row.get(0),
        )
        .doing("count archives")?;
    Ok(count.max(0) as usize)
}

fn encode(archive: &Archive) -> Result<String, Error> {
    document::encode(archive, || format!("archive {}", archive.id))
}

fn decode(document: &str) -> Result<Archive, Error> {
    document::decode(document, "an archive")
}
