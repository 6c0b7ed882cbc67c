//! The kinds of frames and their headers.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use kiln_sandbox::Point;
use kiln_types::{RequestId, TenantId};
use serde::{Deserialize, Serialize};

use super::BODY_BYTES_MAX;
use crate::runtime::{Error, Init, Invoke, Reply, TimeLimit};

pub(super) const INIT: u8 = 1;
pub(super) const INVOKE: u8 = 2;
pub(super) const RESTORE: u8 = 3;
pub(super) const RESUME: u8 = 4;
const READY: u8 = 16;
const INIT_DONE: u8 = 17;
const INIT_ERROR: u8 = 18;
const RESPONSE: u8 = 19;
const ERROR: u8 = 20;
const SNAPSHOT: u8 = 21;
const UNFIT: u8 = 22;
const NOT_RESTORED: u8 = 23;
const RESTORED: u8 = 24;
const RESUMED: u8 = 25;
const CHUNK: u8 = 26;

/// The longest piece of an answer; our runtimes cut what is longer.
const CHUNK_BYTES_MAX: usize = 64 * 1024;
const NO_REQUEST_ID: Error = Error::Malformed("an answer without request id");

/// Header of the frame that tells a runtime which function it is.
#[derive(Debug, Serialize)]
pub(super) struct InitHeader<'a> {
    handler: &'a str,
    env: &'a BTreeMap<String, String>,
    log_format: &'a str,
    log_level: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<&'a str>,
}

/// Header of the frame for a copy: what differs between it and the original.
#[derive(Debug, Serialize)]
pub(super) struct ResumeHeader<'a> {
    pub(super) env: &'a BTreeMap<String, String>,
}

/// Header of the frame that carries an event.
#[derive(Debug, Serialize)]
pub(super) struct InvokeHeader<'a> {
    request_id: RequestId,
    /// When the time is up, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline_ms: Option<i64>,
    /// Instead of a deadline, for an event sent before init is done: its time begins when the
    /// runtime takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
    invoked_arn: &'a str,
    trace: Option<&'a str>,
    client_context: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_id: Option<&'a str>,
    /// Whether the answer is wanted as it is made.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    streams: bool,
}

impl<'a> From<&'a Init<'a>> for InitHeader<'a> {
    fn from(init: &'a Init<'a>) -> Self {
        Self {
            handler: init.handler,
            env: init.env,
            log_format: init.log_format,
            log_level: init.log_level,
            snapshot: init.snapshot,
        }
    }
}

impl<'a> From<&'a Invoke> for InvokeHeader<'a> {
    fn from(invoke: &'a Invoke) -> Self {
        let (deadline_ms, timeout_ms) = match invoke.time {
            TimeLimit::At(deadline) => (Some(deadline.as_millis()), None),
            TimeLimit::After(timeout) => (None, Some(timeout.as_millis() as u64)),
        };
        Self {
            request_id: invoke.request_id,
            deadline_ms,
            timeout_ms,
            invoked_arn: &invoke.invoked_arn,
            trace: invoke.trace.as_deref(),
            client_context: invoke.client_context.as_deref(),
            tenant_id: invoke.tenant.as_ref().map(TenantId::as_str),
            streams: invoke.sink.is_some(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ReplyHeader {
    request_id: Option<RequestId>,
    error_type: Option<String>,
    content_type: Option<String>,
    too_large: bool,
    is_last: bool,
    hooks_us: u64,
    state: u64,
    lineage: String,
    reason: String,
}

/// What a runtime says by one frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Reply(Reply),
    /// A piece of an answer, which goes on.
    Chunk(Chunk),
}

/// A piece of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) request_id: RequestId,
    pub(super) content_type: Option<String>,
    pub(super) body: Bytes,
}

/// What a frame says.
pub(super) fn parse(kind: u8, header: &[u8], body: Bytes) -> Result<Said, Error> {
    if body.len() > BODY_BYTES_MAX {
        return Err(Error::Malformed("a body that is too long"));
    }
    let header_bytes = header.len();
    let header: ReplyHeader = match header {
        [] => ReplyHeader::default(),
        header => serde_json::from_slice(header)
            .map_err(|_| Error::Malformed("a header that cannot be read"))?,
    };
    if kind != CHUNK {
        return reply(kind, header, body).map(Said::Reply);
    }
    if body.len() > CHUNK_BYTES_MAX {
        return Err(Error::Malformed("a piece of an answer that is too long"));
    }
    // A slice of the frame keeps all of it in memory, and what waits for a caller is counted by its body.
    let body = match body.len() <= header_bytes {
        true => Bytes::copy_from_slice(&body),
        false => body,
    };
    let request_id = header.request_id;
    Ok(Said::Chunk(Chunk {
        request_id: request_id.ok_or(NO_REQUEST_ID)?,
        content_type: header.content_type,
        body,
    }))
}

fn reply(kind: u8, header: ReplyHeader, body: Bytes) -> Result<Reply, Error> {
    let request_id = header.request_id.ok_or(NO_REQUEST_ID);
    let error_type = header.error_type;
    match kind {
        READY => Ok(Reply::Booted),
        INIT_DONE => Ok(Reply::InitDone),
        RESUMED => Ok(Reply::Resumed),
        RESTORED => Ok(Reply::Restored {
            hooks: Duration::from_micros(header.hooks_us),
        }),
        SNAPSHOT => Ok(Reply::Waits(Point {
            state: header.state,
            lineage: header.lineage,
        })),
        UNFIT => Ok(Reply::Unfit(header.reason)),
        NOT_RESTORED => Ok(Reply::NotRestored(header.reason)),
        INIT_ERROR => Ok(Reply::InitError {
            error_type,
            document: body,
        }),
        RESPONSE => {
            let body = (!header.too_large).then_some(body);
            Ok(Reply::Response {
                request_id: request_id?,
                body,
            })
        }
        ERROR => Ok(Reply::Error {
            request_id: request_id?,
            error_type,
            document: body,
            is_last: header.is_last,
        }),
        _ => Err(Error::Malformed("a frame of unknown kind")),
    }
}
