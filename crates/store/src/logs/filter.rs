//! Reading what matches in many streams.

use kiln_types::Timestamp;
use kiln_types::account::AccountId;
use rusqlite::{Connection, params};

use super::event::{Interval, LogEvent, Position};
use super::query::{EVENTS_MAX, PAGE_BYTES_MAX, find_stream};
use super::{LogError, group};
use crate::database::Database;

/// Events read for one page while filtering; then the page ends, full or not.
const SCAN_MAX: usize = 50_000;
/// Bytes read for one page while filtering; then the page ends, full or not. Events may have
/// 256 KiB each, so that counting them alone would bound neither time nor input.
const SCAN_BYTES_MAX: usize = 32 << 20;

/// Which events of which streams of a group.
#[derive(Debug, Clone)]
pub struct FilterQuery {
    /// Whose group.
    pub account: AccountId,
    /// The group.
    pub group: String,
    /// Which of its streams.
    pub streams: StreamSelection,
    /// The earliest time wanted.
    pub start: Option<Timestamp>,
    /// The latest time wanted: included here, unlike in [`super::EventQuery::end`], as AWS has it.
    pub end: Option<Timestamp>,
    /// The token of the page before.
    pub token: Option<String>,
    /// Events at most: 1-10,000.
    pub limit: usize,
}

/// Which streams of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamSelection {
    /// Every one.
    All,
    /// Those with these names; each must exist.
    Named(Vec<String>),
    /// Those whose names begin so.
    Prefix(String),
}

/// A page of matching events, the earliest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filtered {
    /// The events.
    pub events: Vec<LogEvent>,
    /// Leads to the next page; none when everything has been read.
    pub next: Option<String>,
}

/// One read on a thread of its own finds, matches and drops event by event, so that a page costs no
/// more memory than the page itself, and no task waits for a slow pattern.
pub(super) async fn filter(
    database: &Database,
    query: FilterQuery,
    matches: impl Fn(&str) -> bool + Send + 'static,
) -> Result<Filtered, LogError> {
    let end = query
        .end
        .map(|end| Timestamp::from_millis(end.as_millis().saturating_add(1)));
    let mut interval = Interval::new(query.start, end);
    if let Some(token) = query.token.as_deref() {
        interval.after = interval.after.max(Position::from_id(token)?);
    }
    let limit = query.limit.clamp(1, EVENTS_MAX);
    let read = move |from: &Connection| match selection(from, &query, interval)? {
        Ok(selected) => page(from, &selected, limit, matches).map(Ok),
        Err(missing) => Ok(Err(missing)),
    };
    database.read("filter log events", read).await?
}

/// What of a group is to be read.
struct Selected {
    group: i64,
    /// Stream ids as a JSON list; none for all.
    streams: Option<String>,
    interval: Interval,
}

fn selection(
    connection: &Connection,
    query: &FilterQuery,
    mut interval: Interval,
) -> rusqlite::Result<Result<Selected, LogError>> {
    let Some(group) = group::find(connection, &query.account, &query.group)? else {
        return Ok(Err(LogError::NoSuchGroup(query.group.clone())));
    };
    let ids: Vec<i64> = match &query.streams {
        StreamSelection::All => {
            return Ok(Ok(Selected {
                group,
                streams: None,
                interval,
            }));
        }
        StreamSelection::Named(names) => {
            let mut ids = Vec::with_capacity(names.len());
            for name in names {
                match find_stream(connection, group, name)? {
                    Some(id) => ids.push(id),
                    None => return Ok(Err(LogError::NoSuchStream(name.clone()))),
                }
            }
            ids
        }
        StreamSelection::Prefix(prefix) => {
            let select = "SELECT id FROM log_stream
                WHERE group_id = ?1 AND name BETWEEN ?2 AND ?2 || char(1114111)";
            let mut statement = connection.prepare_cached(select)?;
            let rows = statement.query_map(params![group, prefix], |row| row.get(0))?;
            rows.collect::<rusqlite::Result<_>>()?
        }
    };
    let streams = serde_json::to_string(&ids).expect("numbers are JSON");
    // Nothing outside the streams' own time need be read, however large the group.
    let span = "SELECT coalesce(min(first_event), 0), coalesce(max(last_event), 0)
        FROM log_stream WHERE id IN (SELECT value FROM json_each(?1))";
    let (first, last): (i64, i64) =
        connection.query_row(span, [&streams], |row| Ok((row.get(0)?, row.get(1)?)))?;
    interval.after = interval.after.max(Position {
        time: first,
        seq: 0,
    });
    interval.before = interval.before.min(Position {
        time: last.saturating_add(1),
        seq: 0,
    });
    Ok(Ok(Selected {
        group,
        streams: Some(streams),
        interval,
    }))
}

fn page(
    connection: &Connection,
    selected: &Selected,
    limit: usize,
    matches: impl Fn(&str) -> bool,
) -> rusqlite::Result<Filtered> {
    let select = "SELECT e.time, e.seq, e.ingested, e.message, s.name
        FROM log_event e CROSS JOIN log_stream s ON s.id = e.stream_id
        WHERE e.group_id = ?1 AND (e.time, e.seq) > (?2, ?3) AND (e.time, e.seq) < (?4, ?5)
            AND (?6 IS NULL OR e.stream_id IN (SELECT value FROM json_each(?6)))
        ORDER BY e.time, e.seq";
    let Interval { after, before } = selected.interval;
    let mut statement = connection.prepare_cached(select)?;
    let mut rows = statement.query(params![
        selected.group,
        after.time,
        after.seq,
        before.time,
        before.seq,
        selected.streams
    ])?;
    let (mut events, mut bytes) = (Vec::new(), 0);
    let (mut scanned, mut scanned_bytes) = (0, 0);
    let mut last = after;
    while let Some(row) = rows.next()? {
        let (position, event) = LogEvent::from_row(row)?;
        scanned += 1;
        scanned_bytes += event.bytes();
        if matches(&event.message) {
            bytes += event.bytes();
            if bytes > PAGE_BYTES_MAX && !events.is_empty() {
                return Ok(Filtered::until(events, last));
            }
            events.push(event);
        }
        last = position;
        let is_full = events.len() == limit;
        if is_full || scanned == SCAN_MAX || scanned_bytes >= SCAN_BYTES_MAX {
            return Ok(Filtered::until(events, last));
        }
    }
    Ok(Filtered { events, next: None })
}

impl Filtered {
    fn until(events: Vec<LogEvent>, last: Position) -> Self {
        Self {
            events,
            next: Some(last.to_id()),
        }
    }
}
