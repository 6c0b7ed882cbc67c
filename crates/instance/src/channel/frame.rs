//! The kinds of frames and their headers.

use std::collections::BTreeMap;

use bytes::Bytes;
use kiln_types::RequestId;
use serde::{Deserialize, Serialize};

use super::{BODY_BYTES_MAX, Error};

pub(super) const INIT: u8 = 1;
pub(super) const INVOKE: u8 = 2;
const READY: u8 = 16;
const INIT_DONE: u8 = 17;
const INIT_ERROR: u8 = 18;
const RESPONSE: u8 = 19;
const ERROR: u8 = 20;

/// Header of the frame that tells a runtime which function it is.
#[derive(Debug, Serialize)]
pub(crate) struct Init<'a> {
    pub(crate) handler: &'a str,
    pub(crate) env: &'a BTreeMap<String, String>,
    pub(crate) log_format: &'a str,
    pub(crate) log_level: Option<&'a str>,
}

/// Header of the frame that carries an event.
#[derive(Debug, Serialize)]
pub(crate) struct Invoke<'a> {
    pub(crate) request_id: RequestId,
    /// When the time is up, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deadline_ms: Option<i64>,
    /// Instead of a deadline, for an event sent before init is done: its time begins when the
    /// runtime takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) invoked_arn: &'a str,
    pub(crate) trace: Option<&'a str>,
    pub(crate) client_context: Option<&'a str>,
}

/// A frame from a runtime.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// It has booted.
    Ready,
    /// The handler is loaded.
    InitDone,
    /// The handler cannot be loaded.
    InitError {
        /// The class, such as `Runtime.ImportModuleError`.
        error_type: Option<String>,
        /// The error document.
        document: Bytes,
    },
    /// The handler returned.
    Response {
        /// To which invocation.
        request_id: RequestId,
        /// What; none when it was longer than a response may be and was not sent.
        body: Option<Bytes>,
    },
    /// The handler raised.
    Error {
        /// In which invocation.
        request_id: RequestId,
        /// The class, such as `ValueError`.
        error_type: Option<String>,
        /// The error document.
        document: Bytes,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ReplyHeader {
    request_id: Option<RequestId>,
    error_type: Option<String>,
    too_large: bool,
}

impl Reply {
    pub(super) fn parse(kind: u8, header: &[u8], body: Bytes) -> Result<Self, Error> {
        if body.len() > BODY_BYTES_MAX {
            return Err(Error::Malformed("a body that is too long"));
        }
        let header: ReplyHeader = match header {
            [] => ReplyHeader::default(),
            header => serde_json::from_slice(header)
                .map_err(|_| Error::Malformed("a header that cannot be read"))?,
        };
        let request_id = header
            .request_id
            .ok_or(Error::Malformed("an answer without request id"));
        let error_type = header.error_type;
        match kind {
            READY => Ok(Reply::Ready),
            INIT_DONE => Ok(Reply::InitDone),
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
            }),
            _ => Err(Error::Malformed("a frame of unknown kind")),
        }
    }
}
