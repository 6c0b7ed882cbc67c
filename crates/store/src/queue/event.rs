//! Events as they are kept.

use bytes::Bytes;
use kiln_types::{FunctionArn, FunctionId, Qualifier, RequestId, TenantId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::key::Key;
use crate::error::{Doing, Error};

/// Payloads up to this size lie in the event's own row, which is copied whenever the event must wait
/// again; larger ones in a table of their own, in the same file: one transaction covers both, and no
/// file can be left behind.
const INLINE_BYTES_MAX: usize = 64 * 1024;
/// What an event takes besides what its caller gave, about: the rest of its head, its entry, and its
/// part of half-empty pages.
const OVERHEAD_BYTES: u64 = 512;

/// An event to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Names it, from its acceptance to its end.
    pub request_id: RequestId,
    /// Who is to handle it.
    pub function: FunctionId,
    /// Which version; none means `$LATEST`.
    pub qualifier: Option<Qualifier>,
    /// The function as the caller named it.
    pub invoked_arn: FunctionArn,
    /// The caller's client context: JSON.
    pub client_context: Option<String>,
    /// For whom, of a function that tells its tenants apart.
    pub tenant: Option<TenantId>,
    /// The tracing header.
    pub trace: Option<String>,
    /// What it says.
    pub payload: Bytes,
}

/// An event that was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Names it until it is settled.
    pub key: Key,
    /// What was accepted.
    pub event: NewEvent,
    /// When it was accepted.
    pub accepted: Timestamp,
    /// How often the function failed on it.
    pub failures: u32,
    /// How often in a row it could not be run.
    pub delays: u32,
    /// How often it was started, this time included.
    pub starts: u32,
    /// How often it was started again because the server ended while it ran.
    pub redelivered: u32,
}

/// Why an event was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The function failed on it as often as it may.
    RetriesExhausted,
    /// It became older than it may.
    EventAgeExceeded,
    /// The function may not run at all.
    ZeroReservedConcurrency,
    /// Its chain of invocations led to the same function too often.
    RecursiveInvocation,
    /// There is no such function or version any more.
    FunctionNotFound,
    /// It can never be run, whatever is tried.
    NotInvocable,
    /// It succeeded, and the destination that was to be told so did not take it.
    DestinationNotTold,
}

/// An event that was given up and is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Why.
    pub reason: Reason,
    /// What the function or the server said last.
    pub error: String,
    /// When.
    pub died: Timestamp,
}

/// What is kept of an event besides its numbers and its payload.
#[derive(Debug, Serialize, Deserialize)]
struct Head<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    qualifier: Option<Qualifier>,
    arn: std::borrow::Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_context: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant: Option<TenantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
}

impl Reason {
    const ALL: [Reason; 7] = [
        Reason::RetriesExhausted,
        Reason::EventAgeExceeded,
        Reason::ZeroReservedConcurrency,
        Reason::RecursiveInvocation,
        Reason::FunctionNotFound,
        Reason::NotInvocable,
        Reason::DestinationNotTold,
    ];

    /// The name, AWS's where it has one.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::RetriesExhausted => "RetriesExhausted",
            Reason::EventAgeExceeded => "EventAgeExceeded",
            Reason::ZeroReservedConcurrency => "ZeroReservedConcurrency",
            Reason::RecursiveInvocation => "RecursiveInvocation",
            Reason::FunctionNotFound => "FunctionNotFound",
            Reason::NotInvocable => "NotInvocable",
            Reason::DestinationNotTold => "DestinationNotTold",
        }
    }

    pub(super) fn read(text: &str) -> rusqlite::Result<Self> {
        let found = Self::ALL.into_iter().find(|reason| reason.as_str() == text);
        found.ok_or_else(|| damaged(format!("the reason {text} is not known")))
    }
}

impl NewEvent {
    /// An event for a function that says nothing of who sends it.
    pub fn plain(request_id: RequestId, to: &FunctionArn, payload: Bytes) -> Self {
        Self {
            request_id,
            function: to.id(),
            qualifier: to.qualifier.clone(),
            invoked_arn: to.clone(),
            client_context: None,
            tenant: None,
            trace: None,
            payload,
        }
    }

    /// What it counts against the size of the queue.
    pub fn size(&self) -> u64 {
        let head =
            [&self.client_context, &self.trace].map(|part| part.as_ref().map_or(0, String::len));
        (self.payload.len() + head[0] + head[1]) as u64 + OVERHEAD_BYTES
    }

    pub(super) fn head(&self) -> String {
        let head = Head {
            qualifier: self.qualifier.clone(),
            arn: self.invoked_arn.to_string().into(),
            client_context: self.client_context.clone(),
            tenant: self.tenant.clone(),
            trace: self.trace.clone(),
        };
        serde_json::to_string(&head).expect("texts are always JSON")
    }

    /// Puts its parts together again.
    pub(super) fn from_parts(
        function: FunctionId,
        request_id: [u8; 16],
        head: &str,
        payload: Bytes,
    ) -> rusqlite::Result<Self> {
        let head: Head<'_> =
            serde_json::from_str(head).map_err(|error| damaged(error.to_string()))?;
        let invoked_arn = head.arn.parse();
        Ok(Self {
            request_id: RequestId::from_bytes(request_id),
            function,
            qualifier: head.qualifier,
            invoked_arn: invoked_arn
                .map_err(|error: kiln_types::InvalidName| damaged(error.to_string()))?,
            client_context: head.client_context,
            tenant: head.tenant,
            trace: head.trace,
            payload,
        })
    }
}

/// The head of an event of which no more is known than its function.
pub(super) fn head_of(arn: &FunctionArn) -> String {
    let head = Head {
        qualifier: None,
        arn: arn.to_string().into(),
        client_context: None,
        tenant: None,
        trace: None,
    };
    serde_json::to_string(&head).expect("texts are always JSON")
}

/// Where a payload is put.
pub(crate) struct Body<'a> {
    pub(crate) id: Option<i64>,
    pub(crate) inline: Option<&'a [u8]>,
}

/// Puts a payload where its size says.
pub(crate) fn put_body<'a>(to: &Connection, payload: &'a [u8]) -> Result<Body<'a>, Error> {
    if payload.len() <= INLINE_BYTES_MAX {
        return Ok(Body {
            id: None,
            inline: Some(payload),
        });
    }
    to.prepare_cached("INSERT INTO body (bytes) VALUES (?1)")
        .and_then(|mut statement| statement.execute([payload]))
        .doing("keep payload")?;
    Ok(Body {
        id: Some(to.last_insert_rowid()),
        inline: None,
    })
}

/// Reads a payload from where it lies.
pub(crate) fn read_body(
    from: &Connection,
    id: Option<i64>,
    inline: Option<Vec<u8>>,
) -> rusqlite::Result<Bytes> {
    let bytes = match id {
        None => inline,
        Some(id) => from
            .prepare_cached("SELECT bytes FROM body WHERE id = ?1")?
            .query_row([id], |row| row.get(0))
            .optional()?,
    };
    bytes
        .map(Bytes::from)
        .ok_or_else(|| damaged("a payload is missing".to_owned()))
}

/// Forgets a payload that lies apart.
pub(crate) fn drop_body(to: &Connection, id: Option<i64>) -> rusqlite::Result<()> {
    if let Some(id) = id {
        to.prepare_cached("DELETE FROM body WHERE id = ?1")?
            .execute([id])?;
    }
    Ok(())
}

/// The columns that [`read`] takes, in its order.
pub(super) const COLUMNS: &str =
    "id, request_id, accepted, failures, delays, starts, redelivered, head, body_id, body";

/// Reads an event from [`COLUMNS`].
pub(super) fn read(
    from: &Connection,
    row: &Row<'_>,
    function: &FunctionId,
) -> rusqlite::Result<Event> {
    let head: String = row.get(7)?;
    let payload = read_body(from, row.get(8)?, row.get(9)?)?;
    Ok(Event {
        key: Key(row.get(0)?),
        event: NewEvent::from_parts(function.clone(), row.get(1)?, &head, payload)?,
        accepted: Timestamp::from_millis(row.get(2)?),
        failures: row.get(3)?,
        delays: row.get(4)?,
        starts: row.get(5)?,
        redelivered: row.get(6)?,
    })
}

/// The event's function, by its lane.
pub(super) fn function_of(from: &Connection, key: Key) -> rusqlite::Result<FunctionId> {
    from.prepare_cached("SELECT account, name FROM lane WHERE no = ?1")?
        .query_row(params![key.lane().0], |row| {
            let (account, name): (String, String) = (row.get(0)?, row.get(1)?);
            super::function(&account, &name)
        })
}

fn damaged(why: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, why.into())
}
