//! Makes, changes and finds schedules.

use kiln_types::{AccountId, ScheduleId, ScheduleSpace, Timestamp};
use rusqlite::{Connection, params};

use super::record::{self, COLUMNS, NewSchedule, Replacement, Schedule};
use super::tokens::{self, Token};
use super::{SCHEDULES_MAX, ScheduleError, Schedules, groups};
use crate::error::{Doing, Error};

/// Which schedules of an account, by group and name.
#[derive(Debug, Clone)]
pub struct ListSchedules {
    /// Whose.
    pub account: AccountId,
    /// Of this group only.
    pub group: Option<String>,
    /// Whose names begin so.
    pub prefix: Option<String>,
    /// That are enabled, or not.
    pub is_enabled: Option<bool>,
    /// That come after this group and name.
    pub after: Option<(String, String)>,
    /// So many at most.
    pub count_max: usize,
}

impl Schedules {
    /// Keeps a new schedule of EventBridge Scheduler.
    pub async fn create(
        &self,
        new: NewSchedule,
        token: Option<Token>,
        now: Timestamp,
    ) -> Result<(), ScheduleError> {
        let work = move |to: &Connection| {
            let (account, group) = (&new.id.account, &new.id.group);
            if tokens::was_done(to, account, token.as_ref(), now)? {
                return Ok(());
            }
            groups::expect_live(to, account, group, now)?;
            if record::find(to, &new.id)?.is_some() {
                return Err(ScheduleError::Exists(new.id.clone()));
            }
            if groups::schedules(to, account)? >= SCHEDULES_MAX {
                return Err(ScheduleError::TooMany);
            }
            record::insert(to, &new, now)?;
            groups::count(to, account, group, 1)?;
            tokens::keep(to, account, token.as_ref(), now)?;
            Ok(())
        };
        self.write("create schedule", work).await
    }

    /// Makes a schedule what `change` makes of it. Nothing comes between.
    ///
    /// `change` runs on the store's writer thread: it must not block or do anything long.
    pub async fn replace<E, F>(&self, id: ScheduleId, now: Timestamp, change: F) -> Result<(), E>
    where
        F: FnOnce(&Schedule) -> Result<Replacement, E> + Send + 'static,
        E: From<ScheduleError> + From<Error> + Send + 'static,
    {
        let work = move |to: &Connection| {
            let before = record::find(to, &id)?.ok_or(ScheduleError::NotFound(id))?;
            let with = change(&before)?;
            record::replace(to, &before, &with, now)?;
            Ok(())
        };
        self.write("change schedule", work).await
    }

    /// Keeps a schedule of a rule, in the place of the one that there may be by the same name.
    pub async fn put(&self, new: NewSchedule, now: Timestamp) -> Result<(), Error> {
        let work = move |to: &Connection| {
            let before = record::find(to, &new.id)?;
            let Some(before) = before else {
                return record::insert(to, &new, now).map(|_| ());
            };
            let with = Replacement {
                settings: new.settings,
                anchor: new.anchor,
                due: new.due,
            };
            record::replace(to, &before, &with, now)
        };
        self.write("keep schedule", work).await
    }

    /// Forgets a schedule.
    pub async fn delete(
        &self,
        id: ScheduleId,
        token: Option<Token>,
        now: Timestamp,
    ) -> Result<(), ScheduleError> {
        let work = move |to: &Connection| {
            if tokens::was_done(to, &id.account, token.as_ref(), now)? {
                return Ok(());
            }
            let found =
                record::find(to, &id)?.ok_or_else(|| ScheduleError::NotFound(id.clone()))?;
            remove(to, &found)?;
            tokens::keep(to, &id.account, token.as_ref(), now)?;
            Ok(())
        };
        self.write("delete schedule", work).await
    }

    /// One schedule.
    pub async fn get(&self, id: &ScheduleId) -> Result<Option<Schedule>, Error> {
        let id = id.clone();
        let find = move |from: &Connection| Ok(record::find(from, &id));
        self.queue.database().read("read schedule", find).await?
    }

    /// A page of an account's schedules of EventBridge Scheduler, by group and name.
    pub async fn list(&self, query: ListSchedules) -> Result<Vec<Schedule>, Error> {
        let work = move |from: &Connection| list(from, &query);
        self.queue.database().read("list schedules", work).await
    }

    /// The schedules of all rules.
    pub async fn of_rules(&self) -> Result<Vec<Schedule>, Error> {
        let work = |from: &Connection| {
            let select = format!(
                "SELECT {COLUMNS} FROM schedule JOIN schedule_document USING (id) WHERE space = 1"
            );
            let mut statement = from.prepare(&select)?;
            let rows = statement.query_map([], record::read)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        let database = self.queue.database();
        database.read("read schedules of rules", work).await
    }

    pub(super) async fn write<T, E>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let schedules = self.clone();
        let tell = move |_: &T| schedules.tell();
        self.queue.database().write_then(doing, work, tell).await
    }
}

/// Forgets a schedule, and counts it.
pub(super) fn remove(to: &Connection, schedule: &Schedule) -> Result<(), Error> {
    record::remove(to, schedule.number).doing("delete schedule")?;
    let id = &schedule.id;
    match id.space {
        ScheduleSpace::Scheduler => groups::count(to, &id.account, &id.group, -1),
        ScheduleSpace::Rules => Ok(()),
    }
}

fn list(from: &Connection, query: &ListSchedules) -> rusqlite::Result<Vec<Schedule>> {
    // Group and name lie in the order of the index of names; a group is a part of it, and so is the rest after
    // the page before.
    let select = format!(
        "SELECT {COLUMNS} FROM schedule JOIN schedule_document USING (id)
         WHERE account = ?1 AND space = 0 AND (grp, name) > (?2, ?3) AND grp <= ?4
         ORDER BY grp, name"
    );
    let (group, name) = query.after.clone().unwrap_or_default();
    let (first, last) = match &query.group {
        Some(only) if *only > group => ((only.clone(), String::new()), only.clone()),
        Some(only) => ((group, name), only.clone()),
        None => ((group, name), "\u{10ffff}".to_owned()),
    };
    let mut statement = from.prepare_cached(&select)?;
    let key = params![query.account.as_str(), first.0, first.1, last];
    let mut found = Vec::new();
    for schedule in statement.query_map(key, record::read)? {
        let schedule = schedule?;
        let prefix = query.prefix.as_deref().unwrap_or_default();
        let is_meant = schedule.id.name.starts_with(prefix)
            && (query.is_enabled).is_none_or(|is| is == schedule.settings.is_enabled);
        if is_meant {
            found.push(schedule);
        }
        if found.len() >= query.count_max {
            break;
        }
    }
    Ok(found)
}
