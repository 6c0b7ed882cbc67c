//! What a destination is told of the end of something that Lambda ran, whatever that was: an asynchronous
//! event, or a batch of a source. Pure.

use bytes::Bytes;
use kiln_store::messages::NewMessage;
use kiln_store::queue::{Delivery, NewEvent};
use kiln_types::{Destination, MessageId, RequestId, Version, limits};
use serde::Serialize;

/// Who sends what Lambda sends.
pub(crate) const SENDER: &str = "lambda.amazonaws.com";

/// What every record says of the invocations, in AWS's shape.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestContext<'a> {
    /// Names what has ended.
    pub request_id: String,
    /// The function, with its qualifier.
    pub function_arn: String,
    /// How it ended.
    pub condition: &'a str,
    /// How often the function was run.
    pub approximate_invoke_count: u32,
}

/// What every record says of the last answer, in AWS's shape.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResponseContext {
    status_code: u16,
    executed_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_error: Option<&'static str>,
}

impl ResponseContext {
    /// That of a version that ran, and whether it failed.
    pub fn new(version: Version, function_error: Option<&'static str>) -> Self {
        Self {
            status_code: 200,
            executed_version: version.to_string(),
            function_error,
        }
    }
}

/// How large a record for this destination may be, in bytes.
pub fn bytes_max(to: &Destination) -> usize {
    match to {
        Destination::Function(_) => limits::SYNC_PAYLOAD_BYTES_MAX,
        Destination::Queue(_) => limits::MESSAGE_BYTES_MAX,
    }
}

/// What brings a record to its destination; `id` names it there.
pub fn delivery(
    to: &Destination,
    id: RequestId,
    trace: Option<String>,
    payload: Bytes,
) -> Delivery {
    match to {
        Destination::Function(arn) => Delivery::Event(NewEvent {
            trace,
            ..NewEvent::plain(id, arn, payload)
        }),
        Destination::Queue(arn) => {
            let id = MessageId::from_bytes(*id.as_bytes());
            let body = String::from_utf8_lossy(&payload).into_owned();
            Delivery::Message(NewMessage {
                trace,
                ..NewMessage::plain(id, &arn.queue, body, SENDER)
            })
        }
    }
}
