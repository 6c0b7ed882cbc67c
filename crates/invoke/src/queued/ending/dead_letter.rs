//! The message that a function's dead-letter queue or topic gets: the event as it came, and why it was given up
//! (developer guide, "Adding a dead-letter queue").
//!
//! AWS differs: `ErrorCode` of an event that was not run says why, where AWS documents only what a
//! function's errors have.

use std::collections::BTreeMap;

use kiln_store::queue::{Event, Reason};
use kiln_types::MessageAttribute;

use super::{Ending, shortened};
use crate::told::Telling;

/// Text of an error that is passed on (developer guide, the same page).
const MESSAGE_BYTES_MAX: usize = 1_024;

/// The message; none when the event has no room in one.
pub(super) fn telling(
    event: &Event,
    reason: Reason,
    ending: &Ending,
    bytes_max: usize,
) -> Option<Telling> {
    let request_id = event.event.request_id;
    let code = match (&ending.outcome, reason) {
        (Some(_), _) => 200,
        (None, Reason::FunctionNotFound) => 404,
        (None, Reason::ZeroReservedConcurrency | Reason::EventAgeExceeded) => 429,
        (None, _) => 400,
    };
    let mut attributes = BTreeMap::from([
        (
            "RequestID".to_owned(),
            MessageAttribute::string(request_id.to_string()),
        ),
        ("ErrorCode".to_owned(), MessageAttribute::number(code)),
    ]);
    let error = shortened(said(&ending.error), MESSAGE_BYTES_MAX);
    if !error.is_empty() {
        attributes.insert("ErrorMessage".to_owned(), MessageAttribute::string(error));
    }
    let of_attributes = attributes.iter().map(|(name, one)| name.len() + one.size());
    let bytes = event.event.payload.len() + of_attributes.sum::<usize>();
    (bytes <= bytes_max).then(|| Telling {
        id: request_id,
        attributes,
        ..super::telling(event, ending, event.event.payload.clone())
    })
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
