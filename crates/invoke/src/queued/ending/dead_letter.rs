//! The message that a function's dead-letter queue gets: the event as it came, and why it was given up
//! (developer guide, "Adding a dead-letter queue").
//!
//! AWS differs: `ErrorCode` of an event that was not run says why, where AWS documents only what a
//! function's errors have.

use std::collections::BTreeMap;

use kiln_store::messages::NewMessage;
use kiln_store::queue::{Delivery, Event, Reason};
use kiln_types::{MessageAttribute, MessageId, QueueArn, limits};

use super::{Ending, left, shortened};
use crate::told::SENDER;

/// Text of an error that is passed on (developer guide, the same page).
const MESSAGE_BYTES_MAX: usize = 1_024;

/// The message; none when the event has no room in one.
pub(super) fn message(
    event: &Event,
    to: &QueueArn,
    reason: Reason,
    ending: &Ending,
) -> Option<Delivery> {
    let request_id = event.event.request_id;
    let id = MessageId::from_bytes(*request_id.as_bytes());
    let body = String::from_utf8_lossy(&event.event.payload).into_owned();
    let mut message = NewMessage {
        trace: Some(left(event).to_string()),
        ..NewMessage::plain(id, &to.queue, body, SENDER)
    };
    let code = match (&ending.outcome, reason) {
        (Some(_), _) => 200,
        (None, Reason::FunctionNotFound) => 404,
        (None, Reason::ZeroReservedConcurrency | Reason::EventAgeExceeded) => 429,
        (None, _) => 400,
    };
    message.attributes = BTreeMap::from([
        (
            "RequestID".to_owned(),
            MessageAttribute::string(request_id.to_string()),
        ),
        ("ErrorCode".to_owned(), MessageAttribute::number(code)),
    ]);
    let error = shortened(said(&ending.error), MESSAGE_BYTES_MAX);
    if !error.is_empty() {
        let error = MessageAttribute::string(error);
        message.attributes.insert("ErrorMessage".to_owned(), error);
    }
    let fits = message.payload_size() <= limits::MESSAGE_BYTES_MAX as u64;
    fits.then_some(Delivery::Message(message))
}

/// What a function said of its error, out of the document that says it.
fn said(error: &str) -> String {
    let document: Option<serde_json::Value> = serde_json::from_str(error).ok();
    let message = document
        .as_ref()
        .and_then(|document| document.get("errorMessage"));
    let message = message.and_then(serde_json::Value::as_str);
    message.unwrap_or(error).to_owned()
}
