//! Groups of schedules.

use std::collections::BTreeMap;

use kiln_types::schedule::DEFAULT_GROUP;
use kiln_types::{AccountId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::record::{self, COLUMNS, Schedule};
use super::tokens::{self, Token};
use super::{ScheduleError, Schedules, definitions};
use crate::error::{Doing, Error};

/// Groups of an account, at most; AWS's quota.
pub const GROUPS_MAX: u64 = 500;
/// Schedules that are deleted in one transaction, so that others come in between.
const PART: usize = 1_000;

/// A group of schedules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleGroup {
    /// Its name.
    pub name: String,
    /// Whether it is going, with its schedules.
    pub is_deleting: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub modified: Timestamp,
    /// Its owner's notes.
    pub tags: BTreeMap<String, String>,
}

impl Schedules {
    /// Keeps a new group.
    pub async fn create_group(
        &self,
        account: AccountId,
        group: ScheduleGroup,
        token: Option<Token>,
    ) -> Result<(), ScheduleError> {
        let now = group.created;
        let work = move |to: &Connection| {
            if tokens::was_done(to, &account, token.as_ref(), now)? {
                return Ok(());
            }
            ensure_default(to, &account, now)?;
            match find(to, &account, &group.name)? {
                Some(found) if found.is_deleting => {
                    return Err(ScheduleError::GroupDeleting(group.name.clone()));
                }
                Some(_) => return Err(ScheduleError::GroupExists(group.name.clone())),
                None => {}
            }
            if list(to, &account).doing("count schedule groups")?.len() as u64 >= GROUPS_MAX {
                return Err(ScheduleError::TooManyGroups);
            }
            write(to, &account, &group)?;
            tokens::keep(to, &account, token.as_ref(), now)?;
            Ok(())
        };
        self.write("create schedule group", work).await
    }

    /// One group. The group of schedules that name none is made when it is first asked for.
    pub async fn group(
        &self,
        account: &AccountId,
        name: &str,
        now: Timestamp,
    ) -> Result<Option<ScheduleGroup>, Error> {
        if name == DEFAULT_GROUP {
            let account = account.clone();
            let work = move |to: &Connection| ensure_default(to, &account, now);
            self.write("make schedule group", work).await?;
        }
        let (account, name) = (account.clone(), name.to_owned());
        let work = move |from: &Connection| Ok(find(from, &account, &name));
        self.queue
            .database()
            .read("read schedule group", work)
            .await?
    }

    /// An account's groups, by name.
    pub async fn groups(
        &self,
        account: &AccountId,
        now: Timestamp,
    ) -> Result<Vec<ScheduleGroup>, Error> {
        self.group(account, DEFAULT_GROUP, now).await?;
        let account = account.clone();
        let work = move |from: &Connection| list(from, &account);
        self.queue
            .database()
            .read("list schedule groups", work)
            .await
    }

    /// Changes a group's tags.
    pub async fn tag_group<E, F>(
        &self,
        account: AccountId,
        name: String,
        now: Timestamp,
        change: F,
    ) -> Result<(), E>
    where
        F: FnOnce(&mut BTreeMap<String, String>) -> Result<(), E> + Send + 'static,
        E: From<ScheduleError> + From<Error> + Send + 'static,
    {
        let work = move |to: &Connection| {
            if name == DEFAULT_GROUP {
                ensure_default(to, &account, now)?;
            }
            let found = find(to, &account, &name)?;
            let mut group = found.ok_or(ScheduleError::NoGroup(name))?;
            change(&mut group.tags)?;
            group.modified = now;
            write(to, &account, &group)?;
            Ok(())
        };
        self.write("tag schedule group", work).await
    }

    /// Forgets a group and its schedules. What is left of it after a crash is forgotten by
    /// [`Schedules::finish_deletions`].
    pub async fn delete_group(
        &self,
        account: AccountId,
        name: String,
        token: Option<Token>,
        now: Timestamp,
    ) -> Result<(), ScheduleError> {
        let (owner, doomed) = (account.clone(), name.clone());
        let work = move |to: &Connection| {
            if tokens::was_done(to, &owner, token.as_ref(), now)? {
                return Ok(());
            }
            let found = find(to, &owner, &doomed)?;
            let mut group = found.ok_or(ScheduleError::NoGroup(doomed))?;
            if group.is_deleting {
                return Err(ScheduleError::GroupDeleting(group.name));
            }
            (group.is_deleting, group.modified) = (true, now);
            write(to, &owner, &group)?;
            tokens::keep(to, &owner, token.as_ref(), now)?;
            Ok(())
        };
        self.write("delete schedule group", work).await?;
        Ok(self.finish(account, name).await?)
    }

    /// Forgets the groups whose deletion a crash interrupted. Call it before anything fires.
    pub async fn finish_deletions(&self) -> Result<(), Error> {
        let work = |from: &Connection| {
            let select = "SELECT account, name FROM schedule_group WHERE is_deleting";
            let mut statement = from.prepare_cached(select)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<(String, String)>>>()
        };
        let database = self.queue.database();
        for (account, name) in database.read("list schedule groups", work).await? {
            let account = account.parse().map_err(|error| Error::Damaged {
                what: format!("schedule group {name}"),
                why: format!("{error}"),
            });
            self.finish(account?, name).await?;
        }
        Ok(())
    }

    /// In parts, so that others come in between.
    async fn finish(&self, account: AccountId, name: String) -> Result<(), Error> {
        loop {
            let (account, name) = (account.clone(), name.clone());
            let work = move |to: &Connection| finish_part(to, &account, &name);
            if self.write("delete schedule group", work).await? {
                return Ok(());
            }
        }
    }
}

/// Whether nothing is left.
fn finish_part(to: &Connection, account: &AccountId, name: &str) -> Result<bool, Error> {
    if !find(to, account, name)?.is_some_and(|group| group.is_deleting) {
        return Ok(true);
    }
    let select = format!(
        "SELECT {COLUMNS} FROM schedule JOIN schedule_document USING (id)
         WHERE account = ?1 AND space = 0 AND grp = ?2 LIMIT ?3"
    );
    let read = || {
        let mut statement = to.prepare_cached(&select)?;
        let rows =
            statement.query_map(params![account.as_str(), name, PART as i64], record::read)?;
        rows.collect::<rusqlite::Result<Vec<Schedule>>>()
    };
    let part = read().doing("read schedules of a group")?;
    for schedule in &part {
        definitions::remove(to, schedule)?;
    }
    if part.len() == PART {
        return Ok(false);
    }
    let delete = "DELETE FROM schedule_group WHERE account = ?1 AND name = ?2";
    let deleted = to.execute(delete, params![account.as_str(), name]);
    deleted.doing("delete schedule group").map(|_| true)
}

/// Fails unless there is a group that is not going.
pub(super) fn expect_live(
    to: &Connection,
    account: &AccountId,
    name: &str,
    now: Timestamp,
) -> Result<(), ScheduleError> {
    if name == DEFAULT_GROUP {
        ensure_default(to, account, now)?;
    }
    match find(to, account, name)? {
        Some(group) if !group.is_deleting => Ok(()),
        Some(_) => Err(ScheduleError::GroupDeleting(name.to_owned())),
        None => Err(ScheduleError::NoGroup(name.to_owned())),
    }
}

/// How many schedules an account has.
pub(super) fn schedules(from: &Connection, account: &AccountId) -> Result<u64, Error> {
    let select = "SELECT coalesce(sum(schedules), 0) FROM schedule_group WHERE account = ?1";
    from.prepare_cached(select)
        .and_then(|mut select| select.query_row([account.as_str()], |row| row.get(0)))
        .map(i64::cast_unsigned)
        .doing("count schedules")
}

/// A group has so many schedules more.
pub(super) fn count(
    to: &Connection,
    account: &AccountId,
    name: &str,
    more: i64,
) -> Result<(), Error> {
    let update =
        "UPDATE schedule_group SET schedules = schedules + ?3 WHERE account = ?1 AND name = ?2";
    to.prepare_cached(update)
        .and_then(|mut update| update.execute(params![account.as_str(), name, more]))
        .doing("count schedules")
        .map(|_| ())
}

fn ensure_default(to: &Connection, account: &AccountId, now: Timestamp) -> Result<(), Error> {
    let insert = "INSERT OR IGNORE INTO schedule_group
        (account, name, is_deleting, created, modified, tags, schedules)
        VALUES (?1, ?2, 0, ?3, ?3, '{}', 0)";
    to.prepare_cached(insert)
        .and_then(|mut insert| {
            insert.execute(params![account.as_str(), DEFAULT_GROUP, now.as_millis()])
        })
        .doing("make schedule group")
        .map(|_| ())
}

fn find(
    from: &Connection,
    account: &AccountId,
    name: &str,
) -> Result<Option<ScheduleGroup>, Error> {
    let select = "SELECT name, is_deleting, created, modified, tags FROM schedule_group
        WHERE account = ?1 AND name = ?2";
    from.prepare_cached(select)
        .and_then(|mut select| {
            let key = params![account.as_str(), name];
            select.query_row(key, read).optional()
        })
        .doing("read schedule group")
}

fn list(from: &Connection, account: &AccountId) -> rusqlite::Result<Vec<ScheduleGroup>> {
    let select = "SELECT name, is_deleting, created, modified, tags FROM schedule_group
        WHERE account = ?1 ORDER BY name";
    let mut statement = from.prepare_cached(select)?;
    let rows = statement.query_map([account.as_str()], read)?;
    rows.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<ScheduleGroup> {
    let tags: String = row.get(4)?;
    let invalid = |error| {
        rusqlite::Error::FromSqlConversionFailure(4, rusqlite::types::Type::Text, Box::new(error))
    };
    Ok(ScheduleGroup {
        name: row.get(0)?,
        is_deleting: row.get(1)?,
        created: Timestamp::from_millis(row.get(2)?),
        modified: Timestamp::from_millis(row.get(3)?),
        tags: serde_json::from_str(&tags).map_err(|error: serde_json::Error| invalid(error))?,
    })
}

/// Keeps a group; how many schedules it has stays.
fn write(to: &Connection, account: &AccountId, group: &ScheduleGroup) -> Result<(), Error> {
    let put = "INSERT INTO schedule_group
        (account, name, is_deleting, created, modified, tags, schedules)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)
        ON CONFLICT DO UPDATE SET is_deleting = ?3, modified = ?5, tags = ?6";
    let tags = serde_json::to_string(&group.tags).expect("texts are always JSON");
    to.prepare_cached(put)
        .and_then(|mut put| {
            put.execute(params![
                account.as_str(),
                group.name,
                group.is_deleting,
                group.created.as_millis(),
                group.modified.as_millis(),
                tags
            ])
        })
        .doing("keep schedule group")
        .map(|_| ())
}
