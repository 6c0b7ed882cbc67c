//! Tasks that move the messages of a dead-letter queue on, back to where they came from or elsewhere.
//!
//! A task is kept, with how far it has come, in the transactions that move messages: it goes on after a
//! restart, and what it moved is in one queue or the other.

use std::sync::Arc;

use kiln_types::{MessageId, QueueId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::dead_letter::Moving;
use super::effects::Effects;
use super::key::{Key, Lane};
use super::receive::Candidate;
use super::registry::MessageQueue;
use super::send::take_number;
use super::{Messages, definition, lane, remove};
use crate::error::{Doing, Error};

/// Tasks of an account that may run at once (SQS developer guide, dead-letter queue redrive).
pub const MOVES_RUNNING_MAX: usize = 100;
/// Tasks of a queue that are remembered.
const MOVES_KEPT_MAX: usize = 10;
/// Groups that one part looks at.
const LANES_MAX: usize = 256;

/// A task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// Names it.
    #[serde(skip)]
    pub id: i64,
    /// Whose messages are moved.
    pub source: QueueId,
    /// Where they go; none means where each came from.
    pub destination: Option<QueueId>,
    /// How many a second; none means as many as possible.
    pub per_second: Option<u32>,
    /// When it began.
    pub started: Timestamp,
    /// How it stands.
    pub state: MoveState,
    /// How many messages were moved.
    pub moved: u64,
    /// How many there were when it began.
    pub found: u64,
}

/// How a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MoveState {
    /// It runs.
    Running,
    /// All were moved that could be.
    Completed,
    /// It was stopped.
    Cancelled,
    /// A message had nowhere to go.
    Failed(MoveFailure),
}

/// Why a message had nowhere to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MoveFailure {
    /// Its queue does not exist.
    NoQueue,
    /// It came from no queue.
    NoSource,
}

/// Why no task was started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// There is no such task.
    #[error("there is no such task")]
    NoMove,
    /// It does not run.
    #[error("the task does not run")]
    NotRunning,
    /// The queue has one that runs.
    #[error("a task moves the messages of the queue already")]
    IsRunning,
    /// The account has as many that run as it may.
    #[error("{MOVES_RUNNING_MAX} tasks of the account run")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// How far a part of a task came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MovedPart {
    /// How many messages it moved.
    pub moved: u32,
    /// Where the next part begins to look; none when the task runs no more.
    pub next: Option<i64>,
}

impl Messages {
    /// Begins to move messages; whoever performs tasks is told.
    pub async fn start_move(
        &self,
        source: QueueId,
        destination: Option<QueueId>,
        per_second: Option<u32>,
        now: Timestamp,
    ) -> Result<Move, MoveError> {
        let count = self.count(&source, now).unwrap_or_default();
        let task = Move {
            id: 0,
            source,
            destination,
            per_second,
            started: now,
            state: MoveState::Running,
            moved: 0,
            found: count.visible,
        };
        let work = move |to: &Connection| start(to, task);
        let moves = self.moves.clone();
        let publish = move |_: &Move| moves.notify_one();
        self.database
            .write_then("start moving messages", work, publish)
            .await
    }

    /// The tasks of a queue, the last first.
    pub async fn moves(&self, source: &QueueId) -> Result<Vec<Move>, Error> {
        let source = source.clone();
        let read = move |from: &Connection| of_queue(from, &source);
        self.database
            .read("list tasks that move messages", read)
            .await
    }

    /// A task.
    pub async fn find_move(&self, id: i64) -> Result<Option<Move>, Error> {
        let read = move |from: &Connection| find(from, id);
        self.database
            .read("find task that moves messages", read)
            .await
    }

    /// Every task that runs.
    pub async fn running_moves(&self) -> Result<Vec<Move>, Error> {
        let read = |from: &Connection| {
            let mut select = from.prepare("SELECT id, task FROM message_move WHERE state = ?1")?;
            let rows = select.query_map([RUNNING], row)?;
            rows.collect()
        };
        self.database
            .read("list tasks that move messages", read)
            .await
    }

    /// Waits until a task was started.
    pub async fn move_was_started(&self) {
        self.moves.notified().await;
    }

    /// Stops a task; what was moved stays so.
    pub async fn cancel_move(&self, id: i64) -> Result<Move, MoveError> {
        let work = move |to: &Connection| {
            let found = find(to, id).doing("find task that moves messages")?;
            let mut task = found.ok_or(MoveError::NoMove)?;
            if task.state != MoveState::Running {
                return Err(MoveError::NotRunning);
            }
            task.state = MoveState::Cancelled;
            keep(to, &task)?;
            Ok(task)
        };
        self.database.write("stop moving messages", work).await
    }

    /// Moves the next messages of a task, from where the part before ended.
    pub async fn move_part(
        &self,
        id: i64,
        after: i64,
        count_max: u32,
        now: Timestamp,
    ) -> Result<MovedPart, Error> {
        let messages = self.clone();
        let work = move |to: &Connection| {
            let mut part = Part {
                to,
                messages: &messages,
                now,
                effects: Effects::default(),
            };
            let moved = part.make(id, after, count_max)?;
            messages.count_bytes(to, &part.effects)?;
            Ok::<_, Error>((moved, part.effects))
        };
        let messages = self.clone();
        let publish = move |(_, effects): &(MovedPart, Effects)| messages.publish_all(effects);
        let moved = self.database.write_then("move messages", work, publish);
        moved.await.map(|(moved, _)| moved)
    }
}

/// The next messages of a task.
#[derive(Default)]
struct Found {
    first: Vec<Candidate>,
    /// Where those after them begin; none when there are no more.
    next: Option<i64>,
}

/// A part that is being moved.
struct Part<'a> {
    to: &'a Connection,
    messages: &'a Messages,
    now: Timestamp,
    effects: Effects,
}

impl Part<'_> {
    fn make(&mut self, id: i64, after: i64, count_max: u32) -> Result<MovedPart, Error> {
        let task = find(self.to, id).doing("find task that moves messages")?;
        let Some(mut task) = task.filter(|task| task.state == MoveState::Running) else {
            return Ok(MovedPart {
                moved: 0,
                next: None,
            });
        };
        let source = definition::find(self.to, &task.source)?;
        let found = match &source {
            Some(source) => self.find(source, &task, after, count_max as usize),
            None => Ok(Found::default()),
        };
        let Found { first, mut next } = found.doing("look for messages to move")?;
        let mut moved = 0;
        for one in first {
            let source = source.as_ref().expect("it has messages");
            match self.move_one(&task, source, one)? {
                Ok(()) => moved += 1,
                Err(failure) => {
                    task.state = MoveState::Failed(failure);
                    next = None;
                    break;
                }
            }
        }
        if let Some(source) = &source {
            remove::count_gone(self.to, source, &self.effects)?;
        }
        if next.is_none() && task.state == MoveState::Running {
            task.state = MoveState::Completed;
        }
        task.moved += u64::from(moved);
        keep(self.to, &task)?;
        Ok(MovedPart { moved, next })
    }

    /// The next messages that are not hidden and were there when the task began, of a FIFO queue those of one group after the
    /// other. What came later stays: it may be what the task itself has brought back.
    fn find(
        &self,
        source: &MessageQueue,
        task: &Move,
        after: i64,
        count_max: usize,
    ) -> rusqlite::Result<Found> {
        let lanes = "SELECT id FROM message_lane WHERE epoch = ?1 AND id >= ?2 ORDER BY id";
        let mut lanes = self.to.prepare_cached(lanes)?;
        let lane = Key(after.max(0)).lane().0;
        let lanes = lanes.query_map(params![source.epoch, lane], |row| row.get(0).map(Lane))?;
        let mut found = Found::default();
        for (looked, lane) in lanes.enumerate() {
            if looked == LANES_MAX {
                return Ok(found);
            }
            let (first, last) = lane?.keys();
            let select = "SELECT m.id, m.sent, h.due, h.received, h.first
                FROM message m LEFT JOIN message_held h ON h.id = m.id
                WHERE m.id BETWEEN max(?1, ?4 + 1) AND ?2
                    AND (?6 OR m.sent <= ?7 AND (h.due IS NULL OR h.due <= ?5))
                ORDER BY m.id LIMIT ?3";
            let mut select = self.to.prepare_cached(select)?;
            let missing = (count_max - found.first.len()) as i64;
            let now_ms = self.now.as_millis();
            let (is_fifo, began) = (source.is_fifo(), task.started.as_millis());
            let by = params![first, last, missing, after, now_ms, is_fifo, began];
            for one in select.query_map(by, Candidate::of_row)? {
                let one = one?;
                if one.is_hidden(self.now) || one.sent > task.started {
                    // Those after it in its group must not come before it.
                    break;
                }
                found.next = Some(one.key.0);
                found.first.push(one);
            }
            if found.first.len() >= count_max {
                return Ok(found);
            }
            // The group is done with; what is left of it is not for this task.
            found.next = Some(last);
        }
        found.next = found.next.filter(|_| !found.first.is_empty());
        Ok(found)
    }

    fn move_one(
        &mut self,
        task: &Move,
        source: &MessageQueue,
        one: Candidate,
    ) -> Result<Result<(), MoveFailure>, Error> {
        let mut moving = Moving {
            to: self.to,
            now: self.now,
            effects: &mut self.effects,
        };
        let row = moving.read(one.key)?;
        let Some(id) = task.destination.clone().or_else(|| row.head.source.clone()) else {
            return Ok(Err(MoveFailure::NoSource));
        };
        let Some((queue, number)) = number_in(self.to, self.messages, &id, source)? else {
            return Ok(Err(MoveFailure::NoQueue));
        };
        let fresh = (Some(MessageId::random()), Some(self.now));
        moving.put(row, &queue, number, |head| head.source = None, fresh)?;
        self.effects
            .moved(source, one.place(), super::counts::Place::Gone);
        if source.is_fifo() {
            lane::settle(self.to, one.key.lane(), self.now)?;
        }
        Ok(Ok(()))
    }
}

/// A queue that takes messages of the source's kind, and the next number in it.
fn number_in(
    to: &Connection,
    messages: &Messages,
    id: &QueueId,
    source: &MessageQueue,
) -> Result<Option<(Arc<MessageQueue>, i64)>, Error> {
    let known = messages.registry.get(id).map(|live| live.queue);
    let found = match known {
        Some(queue) => Some(queue),
        None => definition::find(to, id)?.map(Arc::new),
    };
    let Some(queue) = found.filter(|queue| queue.is_fifo() == source.is_fifo()) else {
        return Ok(None);
    };
    let number = take_number(to, queue.epoch)?;
    Ok(number.map(|number| (queue, number)))
}

const RUNNING: &str = "running";

fn start(to: &Connection, mut task: Move) -> Result<Move, MoveError> {
    let running = "SELECT name FROM message_move WHERE account = ?1 AND state = ?2";
    let names = || {
        let mut running = to.prepare(running)?;
        let by = params![task.source.account.as_str(), RUNNING];
        let rows = running.query_map(by, |row| row.get::<_, String>(0))?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    let names = names().doing("list tasks that move messages")?;
    if names.iter().any(|name| name == task.source.name.as_str()) {
        return Err(MoveError::IsRunning);
    }
    if names.len() >= MOVES_RUNNING_MAX {
        return Err(MoveError::TooMany);
    }
    let insert = "INSERT INTO message_move (account, name, state, task) VALUES (?1, ?2, ?3, '')";
    let (account, name) = (task.source.account.as_str(), task.source.name.as_str());
    to.execute(insert, [account, name, RUNNING])
        .doing("keep task that moves messages")?;
    task.id = to.last_insert_rowid();
    keep(to, &task)?;
    let forget = "DELETE FROM message_move WHERE account = ?1 AND name = ?2 AND id NOT IN
        (SELECT id FROM message_move WHERE account = ?1 AND name = ?2 ORDER BY id DESC LIMIT ?3)";
    to.execute(forget, params![account, name, MOVES_KEPT_MAX as i64])
        .doing("forget tasks that moved messages")?;
    Ok(task)
}

fn keep(to: &Connection, task: &Move) -> Result<(), Error> {
    let state = match task.state {
        MoveState::Running => RUNNING,
        MoveState::Completed | MoveState::Cancelled | MoveState::Failed(_) => "over",
    };
    let text = serde_json::to_string(task).expect("texts and numbers are always JSON");
    let update = "UPDATE message_move SET state = ?2, task = ?3 WHERE id = ?1";
    to.prepare_cached(update)
        .and_then(|mut update| update.execute(params![task.id, state, text]))
        .doing("keep task that moves messages")?;
    Ok(())
}

fn find(from: &Connection, id: i64) -> rusqlite::Result<Option<Move>> {
    from.prepare_cached("SELECT id, task FROM message_move WHERE id = ?1")?
        .query_row([id], row)
        .optional()
}

fn of_queue(from: &Connection, source: &QueueId) -> rusqlite::Result<Vec<Move>> {
    let mut select = from.prepare(
        "SELECT id, task FROM message_move WHERE account = ?1 AND name = ?2 ORDER BY id DESC",
    )?;
    let rows = select.query_map([source.account.as_str(), source.name.as_str()], row)?;
    rows.collect()
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Move> {
    let task: String = row.get(1)?;
    let mut task: Move = serde_json::from_str(&task).map_err(definition::invalid)?;
    task.id = row.get(0)?;
    Ok(task)
}
