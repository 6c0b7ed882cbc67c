//! Reading one stream, forward and backward.

use kiln_types::Timestamp;
use kiln_types::account::AccountId;
use rusqlite::{Connection, OptionalExtension, params};

use super::event::{Interval, LogEvent, Position};
use super::{LogError, group};
use crate::database::Database;

/// Events of one page (CloudWatch Logs: 10,000).
pub(super) const EVENTS_MAX: usize = 10_000;
/// Bytes of one page (CloudWatch Logs: 1 MiB); one event is returned whatever its size.
pub(super) const PAGE_BYTES_MAX: usize = 1 << 20;

/// Which events of which stream.
#[derive(Debug, Clone)]
pub struct EventQuery {
    /// Whose group.
    pub account: AccountId,
    /// The group.
    pub group: String,
    /// The stream.
    pub stream: String,
    /// The earliest time wanted.
    pub start: Option<Timestamp>,
    /// The first time no longer wanted.
    pub end: Option<Timestamp>,
    /// A token of a page before: a forward one continues after it, a backward one before it.
    pub token: Option<String>,
    /// Without a token: whether to begin with the earliest events rather than the latest.
    pub from_head: bool,
    /// Events at most: 1-10,000.
    pub limit: usize,
}

/// A page of a stream's events, the earliest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Events {
    /// The events.
    pub events: Vec<LogEvent>,
    /// Leads to later events. At the end of the stream, the token that was given: events that
    /// come later are found with it.
    pub forward: String,
    /// Leads to earlier events. At the beginning of the stream, the token that was given.
    pub backward: String,
}

/// Where a token of a stream leads.
enum Direction {
    Forward,
    Backward,
}

type Found = Vec<(Position, LogEvent)>;

pub(super) async fn events(database: &Database, query: EventQuery) -> Result<Events, LogError> {
    let mut interval = Interval::new(query.start, query.end);
    let direction = match query.token.as_deref() {
        Some(token) => {
            let (direction, position) = parse_token(token)?;
            match direction {
                Direction::Forward => interval.after = interval.after.max(position),
                Direction::Backward => interval.before = interval.before.min(position),
            }
            direction
        }
        None if query.from_head => Direction::Forward,
        None => Direction::Backward,
    };
    let limit = query.limit.clamp(1, EVENTS_MAX);
    let forward = matches!(direction, Direction::Forward);
    let EventQuery {
        account,
        group,
        stream,
        token,
        ..
    } = query;
    let (group_name, stream_name) = (group.clone(), stream.clone());
    let read = move |from: &Connection| -> rusqlite::Result<Result<Found, LogError>> {
        let Some(group) = group::find(from, &account, &group)? else {
            return Ok(Err(LogError::NoSuchGroup(group_name)));
        };
        match find_stream(from, group, &stream)? {
            Some(id) => page_of_stream(from, id, interval, forward, limit).map(Ok),
            None => Ok(Err(LogError::NoSuchStream(stream_name))),
        }
    };
    let mut found = database.read("read log events", read).await??;
    if !forward {
        found.reverse();
    }
    let (after, before) = match (found.first(), found.last()) {
        (Some((first, _)), Some((last, _))) => (*last, *first),
        _ if forward => (interval.after, interval.after.next()),
        _ if token.is_some() => (interval.before.previous(), interval.before),
        _ => (interval.after, interval.after.next()),
    };
    Ok(Events {
        events: found.into_iter().map(|(_, event)| event).collect(),
        forward: format!("f/{}/s", after.to_id()),
        backward: format!("b/{}/s", before.to_id()),
    })
}

fn parse_token(token: &str) -> Result<(Direction, Position), LogError> {
    let id = token.strip_suffix("/s").ok_or(LogError::BadToken)?;
    let (direction, id) = match (id.strip_prefix("f/"), id.strip_prefix("b/")) {
        (Some(id), _) => (Direction::Forward, id),
        (_, Some(id)) => (Direction::Backward, id),
        _ => return Err(LogError::BadToken),
    };
    Ok((direction, Position::from_id(id)?))
}

pub(super) fn find_stream(
    connection: &Connection,
    group: i64,
    name: &str,
) -> rusqlite::Result<Option<i64>> {
    let select = "SELECT id FROM log_stream WHERE group_id = ?1 AND name = ?2";
    let mut statement = connection.prepare_cached(select)?;
    statement
        .query_row(params![group, name], |row| row.get(0))
        .optional()
}

/// Forward from the interval's beginning or backward from its end, in that order.
fn page_of_stream(
    connection: &Connection,
    stream: i64,
    interval: Interval,
    forward: bool,
    limit: usize,
) -> rusqlite::Result<Found> {
    let direction = if forward { "ASC" } else { "DESC" };
    let select = format!(
        "SELECT e.time, e.seq, e.ingested, e.message, s.name
         FROM log_event e CROSS JOIN log_stream s ON s.id = e.stream_id
         WHERE e.stream_id = ?1 AND (e.time, e.seq) > (?2, ?3) AND (e.time, e.seq) < (?4, ?5)
         ORDER BY e.time {direction}, e.seq {direction} LIMIT ?6"
    );
    let Interval { after, before } = interval;
    let mut statement = connection.prepare_cached(&select)?;
    let values = params![
        stream,
        after.time,
        after.seq,
        before.time,
        before.seq,
        limit as i64
    ];
    let mut rows = statement.query(values)?;
    let (mut found, mut bytes) = (Found::new(), 0);
    while let Some(row) = rows.next()? {
        let (position, event) = LogEvent::from_row(row)?;
        bytes += event.bytes();
        if bytes > PAGE_BYTES_MAX && !found.is_empty() {
            break;
        }
        found.push((position, event));
    }
    Ok(found)
}
