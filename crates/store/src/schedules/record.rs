//! Schedules as they are kept.

use std::sync::Arc;

use kiln_types::{ScheduleId, ScheduleSettings, ScheduleSpace, Timestamp};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::{Doing, Error};

/// A schedule to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSchedule {
    /// Which.
    pub id: ScheduleId,
    /// What its owner wants.
    pub settings: ScheduleSettings,
    /// From when its rate is counted.
    pub anchor: Timestamp,
    /// From what its places in its window come.
    pub seed: u64,
    /// When it is due first; none means never.
    pub due: Option<Due>,
}

/// What a schedule becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// What its owner wants now.
    pub settings: ScheduleSettings,
    /// From when its rate is counted.
    pub anchor: Timestamp,
    /// When it is due next; none means never.
    pub due: Option<Due>,
}

/// When a schedule is due next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// When.
    pub due: Timestamp,
    /// When it runs.
    pub wake: Timestamp,
    /// How often its delivery was tried.
    pub attempts: u32,
}

/// A schedule that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Which.
    pub id: ScheduleId,
    /// What its owner wants.
    pub settings: Arc<ScheduleSettings>,
    /// From when its rate is counted.
    pub anchor: Timestamp,
    /// From what its places in its window come.
    pub seed: u64,
    /// When it is due next; none means never.
    pub due: Option<Due>,
    /// When it was made.
    pub created: Timestamp,
    /// When its owner last changed it.
    pub modified: Timestamp,
    pub(super) number: i64,
    pub(super) revision: i64,
}

/// The columns that [`read`] takes, in its order.
pub(super) const COLUMNS: &str = "schedule.id, account, space, grp, name, revision, created, modified, anchor, \
     seed, due, wake, attempts, document";

impl Due {
    /// Of a tick that was not tried yet.
    pub fn new(due: Timestamp, wake: Timestamp) -> Self {
        Self {
            due,
            wake,
            attempts: 0,
        }
    }
}

pub(super) fn space(space: ScheduleSpace) -> i64 {
    match space {
        ScheduleSpace::Scheduler => 0,
        ScheduleSpace::Rules => 1,
    }
}

/// Reads a schedule from [`COLUMNS`].
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Schedule> {
    let time = |column| row.get(column).map(Timestamp::from_millis);
    let document: String = row.get(13)?;
    let (due, wake): (Option<i64>, Option<i64>) = (row.get(10)?, row.get(11)?);
    let attempts = row.get(12)?;
    let due = due.zip(wake).map(|(due, wake)| Due {
        due: Timestamp::from_millis(due),
        wake: Timestamp::from_millis(wake),
        attempts,
    });
    let account: String = row.get(1)?;
    Ok(Schedule {
        id: ScheduleId {
            account: account.parse().map_err(|error| invalid(1, error))?,
            space: match row.get::<_, i64>(2)? {
                0 => ScheduleSpace::Scheduler,
                _ => ScheduleSpace::Rules,
            },
            group: row.get(3)?,
            name: row.get(4)?,
        },
        settings: Arc::new(serde_json::from_str(&document).map_err(|error| invalid(13, error))?),
        anchor: time(8)?,
        seed: row.get::<_, i64>(9)?.cast_unsigned(),
        due,
        created: time(6)?,
        modified: time(7)?,
        number: row.get(0)?,
        revision: row.get(5)?,
    })
}

/// One schedule.
pub(super) fn find(from: &Connection, id: &ScheduleId) -> Result<Option<Schedule>, Error> {
    let select = format!(
        "SELECT {COLUMNS} FROM schedule JOIN schedule_document USING (id)
         WHERE account = ?1 AND space = ?2 AND grp = ?3 AND name = ?4"
    );
    let key = params![id.account.as_str(), space(id.space), id.group, id.name];
    from.prepare_cached(&select)
        .and_then(|mut select| select.query_row(key, read).optional())
        .doing("read schedule")
}

/// Keeps a schedule whose name is free.
pub(super) fn insert(
    to: &Connection,
    new: &NewSchedule,
    now: Timestamp,
) -> Result<Schedule, Error> {
    let document = document(&new.settings)?;
    let put = || {
        let insert = "INSERT INTO schedule
            (account, space, grp, name, revision, created, modified, anchor, seed, due, wake, attempts)
            VALUES (?1, ?2, ?3, ?4, 1, ?5, ?5, ?6, ?7, ?8, ?9, 0)";
        to.prepare_cached(insert)?.execute(params![
            new.id.account.as_str(),
            space(new.id.space),
            new.id.group,
            new.id.name,
            now.as_millis(),
            new.anchor.as_millis(),
            new.seed.cast_signed(),
            new.due.map(|due| due.due.as_millis()),
            new.due.map(|due| due.wake.as_millis()),
        ])?;
        let number = to.last_insert_rowid();
        let insert = "INSERT INTO schedule_document (id, document) VALUES (?1, ?2)";
        to.prepare_cached(insert)?
            .execute(params![number, document])?;
        Ok(number)
    };
    let number = put().doing("keep schedule")?;
    Ok(Schedule {
        id: new.id.clone(),
        settings: Arc::new(new.settings.clone()),
        anchor: new.anchor,
        seed: new.seed,
        due: new.due,
        created: now,
        modified: now,
        number,
        revision: 1,
    })
}

/// Makes a schedule another.
pub(super) fn replace(
    to: &Connection,
    before: &Schedule,
    with: &Replacement,
    now: Timestamp,
) -> Result<(), Error> {
    let document = document(&with.settings)?;
    let put = || {
        let update = "UPDATE schedule SET revision = revision + 1, modified = ?2, anchor = ?3,
            due = ?4, wake = ?5, attempts = ?6 WHERE id = ?1";
        to.prepare_cached(update)?.execute(params![
            before.number,
            now.as_millis(),
            with.anchor.as_millis(),
            with.due.map(|due| due.due.as_millis()),
            with.due.map(|due| due.wake.as_millis()),
            with.due.map_or(0, |due| due.attempts),
        ])?;
        let update = "UPDATE schedule_document SET document = ?2 WHERE id = ?1";
        to.prepare_cached(update)?
            .execute(params![before.number, document])?;
        Ok(())
    };
    put().doing("change schedule")
}

/// Forgets a schedule.
pub(super) fn remove(to: &Connection, number: i64) -> rusqlite::Result<()> {
    for delete in [
        "DELETE FROM schedule WHERE id = ?1",
        "DELETE FROM schedule_document WHERE id = ?1",
    ] {
        to.prepare_cached(delete)?.execute([number])?;
    }
    Ok(())
}

fn document(settings: &ScheduleSettings) -> Result<String, Error> {
    crate::document::encode(settings, || "a schedule".to_owned())
}

fn invalid(
    column: usize,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}
