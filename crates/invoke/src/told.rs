//! What a destination is told of the end of something that Lambda ran, whatever that was: an asynchronous
//! event, or a batch of a source. Pure.

use std::collections::BTreeMap;

use bytes::Bytes;
use kiln_store::messages::NewMessage;
use kiln_store::queue::{Delivery, NewEvent};
use kiln_types::{
    Destination, FunctionArn, MessageAttribute, MessageId, QueueArn, RequestId, Timestamp, Version,
    limits,
};
use serde::Serialize;

use crate::fan_out::Refusal;

/// Who sends what Lambda sends.
pub(crate) const SENDER: &str = "lambda.amazonaws.com";
/// What the envelope of an event adds to a record, at most.
const ENVELOPE_BYTES_MAX: usize = 4 * 1024;

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

/// What is told, and of whom.
#[derive(Debug, Clone)]
pub struct Telling {
    /// Names what is made of it.
    pub id: RequestId,
    /// The tracing header.
    pub trace: Option<String>,
    /// Where it lies in a bucket.
    pub key: String,
    /// What is said.
    pub payload: Bytes,
    /// What a message carries besides.
    pub attributes: BTreeMap<String, MessageAttribute>,
    /// The function, with its qualifier.
    pub function: FunctionArn,
    /// Whether it succeeded.
    pub is_success: bool,
    /// When.
    pub now: Timestamp,
}

/// The destination cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTold {
    /// It is not there.
    #[error("{0} does not exist")]
    Gone(Destination),
    /// It is more than can be delivered at once.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// What knows whom a destination reaches: [`FanOut`](crate::FanOut), or what stands for one in tests.
pub trait Tell: Send + Sync {
    /// What brings a record to its destination, be that many.
    fn tell(&self, to: &Destination, telling: Telling) -> Result<Vec<Delivery>, NotTold>;
}

/// How large a record for this destination may be, in bytes.
pub fn bytes_max(to: &Destination) -> usize {
    match to {
        Destination::Function(_) => limits::SYNC_PAYLOAD_BYTES_MAX,
        Destination::Queue(_) => limits::MESSAGE_BYTES_MAX,
        Destination::Topic(_) => limits::PUBLISHED_BYTES_MAX,
        Destination::Bus(_) => limits::MESSAGE_BYTES_MAX - ENVELOPE_BYTES_MAX,
        Destination::Bucket(_) => usize::MAX,
    }
}

/// Where a record lies in a bucket, as on AWS: below a prefix, by a time, under a name that no other record of that time
/// has. AWS differs: the name is no random one, so what is told again is told under the same key.
pub fn key(prefix: &str, name: RequestId, time: Timestamp) -> String {
    let time = time.to_jiff().strftime("%Y/%m/%d/%Y-%m-%dT%H.%M.%S");
    format!("aws/lambda/{prefix}/{time}-{name}")
}

/// What brings a record to a function, invoked with it.
pub fn to_function(arn: &FunctionArn, telling: Telling) -> Delivery {
    Delivery::Event(NewEvent {
        trace: telling.trace,
        ..NewEvent::plain(telling.id, arn, telling.payload)
    })
}

/// What brings a record to a queue.
pub fn to_queue(arn: &QueueArn, telling: Telling) -> Delivery {
    let id = MessageId::from_bytes(*telling.id.as_bytes());
    let body = String::from_utf8_lossy(&telling.payload).into_owned();
    Delivery::Message(NewMessage {
        trace: telling.trace,
        attributes: telling.attributes,
        ..NewMessage::plain(id, &arn.queue, body, SENDER)
    })
}
