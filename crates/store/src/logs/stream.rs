//! Log streams.

use kiln_types::Timestamp;
use kiln_types::account::AccountId;
use rusqlite::{Connection, params};

use super::page::{self, Page, Paged};
use super::{LogError, group};
use crate::database::Database;

/// Which streams of which group.
#[derive(Debug, Clone)]
pub struct StreamQuery {
    /// Whose group.
    pub account: AccountId,
    /// The group.
    pub group: String,
    /// What their names begin with; empty for all.
    pub prefix: String,
    /// In which order.
    pub order: StreamOrder,
    /// The order turned round.
    pub descending: bool,
    /// Which page.
    pub page: Page,
}

/// What streams are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StreamOrder {
    /// Their names.
    #[default]
    Name,
    /// Their latest event's time, equal ones by name.
    LastEvent,
}

/// A log stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSummary {
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// The earliest event's time.
    pub first_event: Timestamp,
    /// The latest event's time.
    pub last_event: Timestamp,
    /// When its latest event was taken.
    pub last_ingestion: Timestamp,
    /// Its events' bytes, each with 26 bytes more.
    pub stored_bytes: u64,
}

/// Where a page ended: time of the last event (0 when ordered by name) and name.
type Key = (i64, String);

pub(super) async fn list(
    database: &Database,
    query: StreamQuery,
) -> Result<Paged<StreamSummary>, LogError> {
    let after: Option<Key> = query.page.token.as_deref().map(page::decode).transpose()?;
    let name = query.group.clone();
    let read = move |from: &Connection| match group::find(from, &query.account, &query.group)? {
        Some(group) => select(from, group, &query, after).map(Some),
        None => Ok(None),
    };
    let found = database.read("list log streams", read).await?;
    found.ok_or(LogError::NoSuchGroup(name))
}

fn select(
    connection: &Connection,
    group: i64,
    query: &StreamQuery,
    after: Option<Key>,
) -> rusqlite::Result<Paged<StreamSummary>> {
    let key = match query.order {
        StreamOrder::Name => "0",
        StreamOrder::LastEvent => "last_event",
    };
    let (beyond, direction) = if query.descending {
        ("<", "DESC")
    } else {
        (">", "ASC")
    };
    let sql = format!(
        "SELECT name, created, first_event, last_event, last_ingestion, stored_bytes
         FROM log_stream
         WHERE group_id = ?1 AND name BETWEEN ?2 AND ?2 || char(1114111)
             AND (?3 IS NULL OR ({key}, name) {beyond} (?3, ?4))
         ORDER BY {order}name {direction} LIMIT ?5",
        order = match query.order {
            StreamOrder::Name => String::new(),
            StreamOrder::LastEvent => format!("last_event {direction}, "),
        },
    );
    let (time, name) = after.unzip();
    let limit = query.page.limit.max(1);
    let mut statement = connection.prepare_cached(&sql)?;
    let values = params![group, query.prefix, time, name, limit as i64 + 1];
    let rows = statement.query_map(values, |row| {
        let time = |column| row.get(column).map(Timestamp::from_millis);
        Ok(StreamSummary {
            name: row.get(0)?,
            created: time(1)?,
            first_event: time(2)?,
            last_event: time(3)?,
            last_ingestion: time(4)?,
            stored_bytes: row.get::<_, i64>(5)?.cast_unsigned(),
        })
    })?;
    let streams = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(Paged::of(streams, limit, |last| -> Key {
        let time = match query.order {
            StreamOrder::Name => 0,
            StreamOrder::LastEvent => last.last_event.as_millis(),
        };
        (time, last.name.clone())
    }))
}
