//! Ticks: what a schedule has to say is delivered and the schedule moved on, in one transaction.

use kiln_types::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::record::{self, COLUMNS, Due, Schedule};
use super::totals::{Ended, ScheduleTotals};
use super::{Schedules, definitions};
use crate::error::{Doing, Error};
use crate::messages::Refusal;
use crate::queue::{Change, Delivered, Delivery, Full, Room, deliver_whole};

/// A tick of a schedule.
#[derive(Debug, Clone)]
pub struct Firing {
    /// As it was read. If it has changed since, nothing happens.
    pub schedule: Schedule,
    /// What it says, and to whom: all of it is delivered, or nothing.
    pub deliveries: Vec<Delivery>,
    /// How the tick ends, if it does.
    pub ended: Option<Ended>,
    /// What becomes of the schedule.
    pub then: Then,
}

/// What becomes of a schedule after a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It is due then, or the same tick is tried again then.
    Due(Due),
    /// It is not due any more.
    Done,
    /// It is forgotten.
    Delete,
}

/// What became of a tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fired {
    /// It is on disk.
    Done,
    /// The schedule has changed or is gone: nothing was done.
    Stale,
    /// There is no room for what it says: nothing was done.
    Full(Full),
    /// The message queue does not take what it says: nothing was done.
    Refused(Refusal),
}

/// What a transaction of many ticks did.
struct Work {
    fired: Vec<Fired>,
    delivered: Vec<Delivered>,
    change: Change,
    ended: ScheduleTotals,
}

impl Schedules {
    /// Those that run now, those first that run first.
    pub async fn due(&self, now: Timestamp, count_max: usize) -> Result<Vec<Schedule>, Error> {
        let select = format!(
            "SELECT {COLUMNS} FROM schedule JOIN schedule_document USING (id)
             WHERE wake <= ?1 ORDER BY wake LIMIT ?2"
        );
        let work = move |from: &Connection| {
            let mut statement = from.prepare_cached(&select)?;
            let rows =
                statement.query_map(params![now.as_millis(), count_max as i64], record::read)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        self.queue.database().read("read due schedules", work).await
    }

    /// When the first one runs.
    pub async fn next_wake(&self) -> Result<Option<Timestamp>, Error> {
        let work = |from: &Connection| {
            let select = "SELECT wake FROM schedule WHERE wake IS NOT NULL ORDER BY wake LIMIT 1";
            from.prepare_cached(select)?
                .query_row([], |row| row.get(0).map(Timestamp::from_millis))
                .optional()
        };
        self.queue.database().read("read due schedules", work).await
    }

    /// Delivers ticks, each for itself and all in one transaction: what is told as done is on disk when this
    /// returns. When the store fails nothing was done.
    pub async fn fire(&self, firings: Vec<Firing>, now: Timestamp) -> Result<Vec<Fired>, Error> {
        let mut rooms = Vec::new();
        let take = |firing: &Firing| match firing.deliveries.is_empty() {
            true => Ok(None),
            false => {
                let size = firing.deliveries.iter().map(Delivery::size).sum();
                self.queue.held().take(size).map(Some)
            }
        };
        let full: Vec<Option<Full>> = firings
            .iter()
            .map(|firing| match take(firing) {
                Ok(room) => {
                    rooms.extend(room);
                    None
                }
                Err(full) => Some(full),
            })
            .collect();
        let queue = self.queue.clone();
        let work = move |to: &Connection| {
            let mut work = Work {
                fired: Vec::with_capacity(firings.len()),
                delivered: Vec::new(),
                change: Change::default(),
                ended: ScheduleTotals::default(),
            };
            for (firing, full) in firings.iter().zip(full) {
                let fired = match full {
                    Some(full) => Fired::Full(full),
                    None => fire(to, &queue, firing, now, &mut work)?,
                };
                if let (Fired::Done, Some(how)) = (&fired, firing.ended) {
                    work.ended.add(how);
                }
                work.fired.push(fired);
            }
            work.change = work.change.count(to)?;
            work.ended.count(to)?;
            Ok::<_, Error>(work)
        };
        let publish = self.publisher(rooms);
        let database = self.queue.database();
        let done = database.write_then("fire schedules", work, publish);
        Ok(done.await?.fired)
    }

    fn publisher(&self, rooms: Vec<Room>) -> impl FnOnce(&Work) + Send + 'static {
        let (queue, totals) = (self.queue.clone(), self.totals.clone());
        move |work| {
            queue.publish(work.change, &[]);
            for delivered in &work.delivered {
                queue.publish_delivered(delivered);
            }
            // Who sees that a tick has ended finds what it delivered.
            totals.lock().expect("no holder panics").add_all(work.ended);
            // Only now, so that it is never given away twice.
            drop(rooms);
        }
    }
}

/// One tick. What is refused has changed nothing.
fn fire(
    to: &Connection,
    queue: &crate::queue::Queue,
    firing: &Firing,
    now: Timestamp,
    work: &mut Work,
) -> Result<Fired, Error> {
    if !is_current(to, &firing.schedule)? {
        return Ok(Fired::Stale);
    }
    if !firing.deliveries.is_empty() {
        match deliver_whole(to, queue.messages(), &firing.deliveries, now)? {
            Ok(delivered) => {
                work.change = work.change + delivered.change;
                work.delivered.push(delivered);
            }
            Err(refusal) => return Ok(Fired::Refused(refusal)),
        }
    }
    match firing.then {
        Then::Due(due) => move_on(to, &firing.schedule, Some(due))?,
        Then::Done => move_on(to, &firing.schedule, None)?,
        Then::Delete => definitions::remove(to, &firing.schedule)?,
    }
    Ok(Fired::Done)
}

fn is_current(from: &Connection, schedule: &Schedule) -> Result<bool, Error> {
    let select = "SELECT revision FROM schedule WHERE id = ?1";
    let revision: Option<i64> = from
        .prepare_cached(select)
        .and_then(|mut select| {
            let revision = |row: &rusqlite::Row<'_>| row.get(0);
            select.query_row([schedule.number], revision).optional()
        })
        .doing("read schedule")?;
    Ok(revision == Some(schedule.revision))
}

fn move_on(to: &Connection, schedule: &Schedule, due: Option<Due>) -> Result<(), Error> {
    let update = "UPDATE schedule SET revision = revision + 1, due = ?2, wake = ?3, attempts = ?4
        WHERE id = ?1";
    to.prepare_cached(update)
        .and_then(|mut update| {
            update.execute(params![
                schedule.number,
                due.map(|due| due.due.as_millis()),
                due.map(|due| due.wake.as_millis()),
                due.map_or(0, |due| due.attempts),
            ])
        })
        .doing("move schedule on")
        .map(|_| ())
}
