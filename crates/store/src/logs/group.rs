//! Log groups.

use kiln_types::Timestamp;
use kiln_types::account::AccountId;
use rusqlite::{Connection, OptionalExtension, params};

use super::LogError;
use super::page::Paged;
use crate::error::{Doing, Error};

/// A log group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogGroup {
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// Days for which events are kept, if the group says so itself.
    pub retention_days: Option<u32>,
    /// Whether it has a data protection policy.
    pub is_protected: bool,
    /// Its events' bytes, each with 26 bytes more, as CloudWatch Logs counts.
    pub stored_bytes: u64,
}

pub(super) fn create(
    connection: &Connection,
    account: &AccountId,
    name: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    let insert = "INSERT INTO log_group (account, name, created) VALUES (?1, ?2, ?3)
                  ON CONFLICT (account, name) DO NOTHING";
    let inserted = connection
        .prepare_cached(insert)
        .and_then(|mut insert| insert.execute(params![account.as_str(), name, now.as_millis()]));
    Ok(inserted.doing("create log group")? > 0)
}

pub(super) fn delete(
    connection: &Connection,
    account: &AccountId,
    name: &str,
) -> Result<(), LogError> {
    let id = find(connection, account, name).doing("find log group")?;
    let id = id.ok_or_else(|| LogError::NoSuchGroup(name.to_owned()))?;
    let delete_events = "DELETE FROM log_event WHERE group_id = ?1";
    connection
        .execute(delete_events, [id])
        .doing("delete log events")?;
    let delete_group = "DELETE FROM log_group WHERE id = ?1";
    connection
        .execute(delete_group, [id])
        .doing("delete log group")?;
    Ok(())
}

pub(super) fn set_retention(
    connection: &Connection,
    account: &AccountId,
    name: &str,
    days: Option<u32>,
) -> Result<(), LogError> {
    let update = "UPDATE log_group SET retention_days = ?3 WHERE account = ?1 AND name = ?2";
    let updated = connection.execute(update, params![account.as_str(), name, days]);
    match updated.doing("set log retention")? {
        0 => Err(LogError::NoSuchGroup(name.to_owned())),
        _ => Ok(()),
    }
}

pub(super) fn find(
    connection: &Connection,
    account: &AccountId,
    name: &str,
) -> rusqlite::Result<Option<i64>> {
    let select = "SELECT id FROM log_group WHERE account = ?1 AND name = ?2";
    let mut statement = connection.prepare_cached(select)?;
    statement
        .query_row([account.as_str(), name], |row| row.get(0))
        .optional()
}

pub(super) fn list(
    connection: &Connection,
    account: &AccountId,
    prefix: &str,
    after: Option<String>,
    limit: usize,
) -> rusqlite::Result<Paged<LogGroup>> {
    // The last code point ends the range of names with the prefix: text is compared bytewise.
    let select = "SELECT name, created, retention_days,
            coalesce((SELECT sum(stored_bytes) FROM log_stream WHERE group_id = log_group.id), 0),
            protection IS NOT NULL
        FROM log_group
        WHERE account = ?1 AND name BETWEEN ?2 AND ?2 || char(1114111) AND name > ?3
        ORDER BY name LIMIT ?4";
    let limit = limit.max(1);
    let mut statement = connection.prepare_cached(select)?;
    let values = params![
        account.as_str(),
        prefix,
        after.unwrap_or_default(),
        limit as i64 + 1
    ];
    let rows = statement.query_map(values, |row| {
        Ok(LogGroup {
            name: row.get(0)?,
            created: Timestamp::from_millis(row.get(1)?),
            retention_days: row.get(2)?,
            stored_bytes: row.get::<_, i64>(3)?.cast_unsigned(),
            is_protected: row.get(4)?,
        })
    })?;
    let groups = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(Paged::of(groups, limit, |last| last.name.clone()))
}
