//! Replays: which, how far each is, and one step of one.
//!
//! A step reads some events of the archive in the order in which they happened; what they come to is kept in the transaction
//! that moves the replay on. So each event is sent once, also over a crash. A replay sends what was in the archive when it began.

use std::sync::Arc;

use bytes::Bytes;
use kiln_types::{AccountId, ArchiveId, Replay, ReplayId, ReplayState, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::Notify;

use crate::document;
use crate::error::{Doing, Error};
use crate::messages::Refusal;
use crate::queue::{Delivered, Delivery, Full, Queue, deliver_whole, read_body};

/// Events of a step, at most.
const STEP_EVENTS_MAX: usize = 100;
/// Bytes of them, about.
const STEP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// All replays of all accounts. Clones share them.
#[derive(Clone)]
pub struct Replays {
    queue: Queue,
    /// One was started.
    began: Arc<Notify>,
}

/// An event that is to be sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The event as its bus got it: JSON.
    pub event: Bytes,
    /// When it happened.
    pub at: Timestamp,
    id: i64,
}

/// What comes next of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// It.
    pub replay: Replay,
    /// Events, in order; none when there are no more.
    pub events: Vec<Replayed>,
    number: i64,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stepped {
    /// It is kept.
    Done,
    /// The replay is not where it was, or not wanted any more: nothing was kept.
    Stale,
    /// A message queue does not take its message: nothing was kept.
    Refused(Refusal),
    /// There is no room: nothing was kept.
    Full(Full),
}

/// Why replays were not changed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// There is no such replay.
    #[error("replay {0} does not exist")]
    NoReplay(ReplayId),
    /// There is such a replay.
    #[error("replay {0} exists already")]
    Exists(ReplayId),
    /// There is no such archive.
    #[error("archive {0} does not exist")]
    NoArchive(ArchiveId),
    /// So many go on at once.
    #[error("{0} replays go on already")]
    TooMany(usize),
    /// It is over, or is being ended.
    #[error("replay {0} is over")]
    Over(ReplayId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Replays {
    pub(super) fn new(queue: Queue, began: Arc<Notify>) -> Self {
        Self { queue, began }
    }

    /// Waits until a replay is started.
    pub async fn one_began(&self) {
        self.began.notified().await;
    }

    /// Keeps a new replay. Fails when there is one of its name, and with [`ReplayError::TooMany`] when so many of the
    /// account go on.
    pub async fn start(&self, replay: Replay, count_max: usize) -> Result<(), ReplayError> {
        let work = move |to: &Connection| {
            if read(to, &replay.id)?.is_some() {
                return Err(ReplayError::Exists(replay.id));
            }
            let active = active_of(to, &replay.id.account)?;
            if active >= count_max {
                return Err(ReplayError::TooMany(active));
            }
            insert(to, &replay)
        };
        let began = self.began.clone();
        let publish = move |(): &()| began.notify_one();
        let database = self.queue.database();
        database.write_then("start replay", work, publish).await
    }

    /// A replay.
    pub async fn get(&self, id: &ReplayId) -> Result<Option<Replay>, Error> {
        let id = id.clone();
        let read = move |from: &Connection| {
            let select = "SELECT document FROM replay WHERE account = ?1 AND name = ?2";
            let key = [id.account.as_str(), id.name.as_str()];
            let mut select = from.prepare_cached(select)?;
            select.query_row(key, |row| row.get(0)).optional()
        };
        let found: Option<String> = self.queue.database().read("read replay", read).await?;
        found.map(|document| decode(&document)).transpose()
    }

    /// The replays of an account, by name.
    pub async fn list(&self, account: &AccountId) -> Result<Vec<Replay>, Error> {
        let account = account.clone();
        let read = move |from: &Connection| {
            let select = "SELECT document FROM replay WHERE account = ?1 ORDER BY name";
            let mut select = from.prepare_cached(select)?;
            let rows = select.query_map([account.as_str()], |row| row.get::<_, String>(0))?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        let all = self.queue.database().read("list replays", read).await?;
        all.iter().map(|document| decode(document)).collect()
    }

    /// Has a replay end that goes on.
    pub async fn cancel(&self, id: &ReplayId) -> Result<Replay, ReplayError> {
        let id = id.clone();
        let work = move |to: &Connection| {
            let Some((number, mut replay)) = read(to, &id)? else {
                return Err(ReplayError::NoReplay(id));
            };
            if replay.state.is_over() || replay.state == ReplayState::Cancelling {
                return Err(ReplayError::Over(id));
            }
            replay.state = ReplayState::Cancelling;
            write(to, number, &replay)?;
            Ok(replay)
        };
        self.queue.database().write("cancel replay", work).await
    }

    /// The next steps of all replays that go on, one of each.
    pub async fn steps(&self) -> Result<Vec<Step>, Error> {
        let read = |from: &Connection| {
            let select = "SELECT id, document, archive, newest, at, event FROM replay WHERE is_over = 0 ORDER BY id";
            let mut select = from.prepare_cached(select)?;
            let rows = select.query_map([], |row| {
                Ok(Active {
                    number: row.get(0)?,
                    document: row.get(1)?,
                    archive: row.get(2)?,
                    newest: row.get(3)?,
                    at: row.get::<_, Option<i64>>(4)?.unwrap_or(i64::MIN),
                    event: row.get::<_, Option<i64>>(5)?.unwrap_or(0),
                })
            })?;
            let active: Vec<Active> = rows.collect::<Result<_, _>>()?;
            let mut steps = Vec::new();
            for active in active {
                if let Ok(replay) = decode(&active.document) {
                    steps.push(step(from, &active, replay)?);
                }
            }
            Ok(steps)
        };
        self.queue.database().read("read replays", read).await
    }

    /// Keeps what the first events of a step come to, and that they were sent: `replay` as it is then.
    pub async fn advance(
        &self,
        step: &Step,
        count: usize,
        replay: Replay,
        deliveries: Vec<Delivery>,
        now: Timestamp,
    ) -> Result<Stepped, Error> {
        let size = deliveries.iter().map(Delivery::size).sum();
        let room = match self.queue.held().take(size) {
            Ok(room) => room,
            Err(full) => return Ok(Stepped::Full(full)),
        };
        let (before, number) = (step.replay.clone(), step.number);
        let last = count.checked_sub(1).and_then(|last| step.events.get(last));
        let last = last.map(|last| (last.at, last.id));
        let messages = self.queue.messages().clone();
        let work = move |to: &Connection| {
            let is_as_before = read(to, &before.id)?.is_some_and(|(_, found)| found == before);
            if !is_as_before {
                return Ok((Stepped::Stale, Delivered::default()));
            }
            let mut delivered = match deliver_whole(to, &messages, &deliveries, now)? {
                Ok(delivered) => delivered,
                Err(refusal) => return Ok((Stepped::Refused(refusal), Delivered::default())),
            };
            delivered.change = delivered.change.count(to)?;
            move_on(to, number, last, &replay)?;
            Ok::<_, Error>((Stepped::Done, delivered))
        };
        let queue = self.queue.clone();
        let publish = move |(_, delivered): &(Stepped, Delivered)| {
            queue.publish(delivered.change, &[]);
            queue.publish_delivered(delivered);
            drop(room);
        };
        let database = self.queue.database();
        let done = database.write_then("make a step of a replay", work, publish);
        done.await.map(|(stepped, _)| stepped)
    }

    /// Forgets replays that ended before.
    pub async fn forget(&self, before: Timestamp) -> Result<(), Error> {
        let work = move |to: &Connection| {
            let forget = || {
                let over: Vec<(i64, String)> = to
                    .prepare_cached("SELECT id, document FROM replay WHERE is_over = 1")?
                    .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                    .collect::<Result<_, _>>()?;
                for (number, document) in over {
                    let ended = decode(&document).ok().and_then(|replay| replay.ended);
                    if ended.is_none_or(|ended| ended < before) {
                        to.prepare_cached("DELETE FROM replay WHERE id = ?1")?
                            .execute([number])?;
                    }
                }
                Ok(())
            };
            forget().doing("forget replays")
        };
        self.queue.database().write("forget replays", work).await
    }
}

/// A replay that goes on, as it lies there.
struct Active {
    number: i64,
    document: String,
    archive: i64,
    newest: i64,
    at: i64,
    event: i64,
}

fn step(from: &Connection, active: &Active, replay: Replay) -> rusqlite::Result<Step> {
    let mut events = Vec::new();
    let mut bytes = 0;
    let select = "SELECT at, id, body_id, body FROM archived
        WHERE archive = ?1 AND (at, id) > (?2, ?3) AND at >= ?4 AND at < ?5 AND id <= ?6
        ORDER BY at, id LIMIT ?7";
    let mut select = from.prepare_cached(select)?;
    let mut rows = select.query(params![
        active.archive,
        active.at,
        active.event,
        replay.from.as_millis(),
        replay.until.as_millis(),
        active.newest,
        STEP_EVENTS_MAX as i64,
    ])?;
    while let Some(row) = rows.next()? {
        let event = read_body(from, row.get(2)?, row.get(3)?)?;
        bytes += event.len();
        if bytes > STEP_BYTES_MAX && !events.is_empty() {
            break;
        }
        events.push(Replayed {
            event,
            at: Timestamp::from_millis(row.get(0)?),
            id: row.get(1)?,
        });
    }
    Ok(Step {
        replay,
        events,
        number: active.number,
    })
}

fn insert(to: &Connection, replay: &Replay) -> Result<(), ReplayError> {
    let select = "SELECT id FROM archive WHERE account = ?1 AND name = ?2";
    let key = [
        replay.archive.account.as_str(),
        replay.archive.name.as_str(),
    ];
    let archive: Option<i64> = to
        .query_row(select, key, |row| row.get(0))
        .optional()
        .doing("read archive")?;
    let archive = archive.ok_or_else(|| ReplayError::NoArchive(replay.archive.clone()))?;
    let insert = "INSERT INTO replay (account, name, document, is_over, archive, newest)
        VALUES (?1, ?2, ?3, 0, ?4, (SELECT coalesce(max(id), 0) FROM archived))";
    let (account, name) = (replay.id.account.as_str(), replay.id.name.as_str());
    to.execute(insert, params![account, name, encode(replay)?, archive])
        .doing("keep replay")?;
    Ok(())
}

fn read(from: &Connection, id: &ReplayId) -> Result<Option<(i64, Replay)>, Error> {
    let select = "SELECT id, document FROM replay WHERE account = ?1 AND name = ?2";
    let key = [id.account.as_str(), id.name.as_str()];
    let found: Option<(i64, String)> = from
        .prepare_cached(select)
        .and_then(|mut select| {
            let row = select.query_row(key, |row| Ok((row.get(0)?, row.get(1)?)));
            row.optional()
        })
        .doing("read replay")?;
    let read = |(number, document): (i64, String)| Ok((number, decode(&document)?));
    found.map(read).transpose()
}

fn active_of(from: &Connection, account: &AccountId) -> Result<usize, Error> {
    let select = "SELECT count(*) FROM replay WHERE is_over = 0 AND account = ?1";
    let count: i64 = from
        .query_row(select, [account.as_str()], |row| row.get(0))
        .doing("count replays")?;
    Ok(count.max(0) as usize)
}

fn write(to: &Connection, number: i64, replay: &Replay) -> Result<(), Error> {
    let update = "UPDATE replay SET document = ?2, is_over = ?3 WHERE id = ?1";
    let by = params![number, encode(replay)?, replay.state.is_over()];
    to.execute(update, by).doing("keep replay")?;
    Ok(())
}

fn move_on(
    to: &Connection,
    number: i64,
    last: Option<(Timestamp, i64)>,
    replay: &Replay,
) -> Result<(), Error> {
    write(to, number, replay)?;
    if let Some((at, event)) = last {
        let update = "UPDATE replay SET at = ?2, event = ?3 WHERE id = ?1";
        to.execute(update, params![number, at.as_millis(), event])
            .doing("move replay on")?;
    }
    Ok(())
}

fn encode(replay: &Replay) -> Result<String, Error> {
    document::encode(replay, || format!("replay {}", replay.id))
}

fn decode(document: &str) -> Result<Replay, Error> {
    document::decode(document, "a replay")
}
