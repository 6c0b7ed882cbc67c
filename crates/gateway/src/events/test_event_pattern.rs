//! `TestEventPattern`: whether a pattern wants an event.

use kiln_events::pattern::{Limits, Pattern};
use serde_json::Value;

use super::generated::{TestEventPatternRequest as Input, TestEventPatternResponse as Output};
use super::refusal::invalid;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};

/// What an event has (API reference, `TestEventPattern`).
const FIELDS: [&str; 7] = [
    "id",
    "account",
    "source",
    "time",
    "region",
    "resources",
    "detail-type",
];

pub(crate) async fn handle(_: &Context, input: Input) -> Result<Output> {
    let pattern = Pattern::parse(&input.event_pattern, &Limits::default())
        .map_err(|error| ApiError::new(Exception::InvalidEventPattern, error.message()))?;
    let wrong = |why: &str| invalid(format!("Parameter Event is not valid. Reason: {why}"));
    let event: Value =
        serde_json::from_str(&input.event).map_err(|_| wrong("Event is not in JSON format."))?;
    if let Some(field) = FIELDS.iter().find(|field| event.get(**field).is_none()) {
        return Err(wrong(&format!("{field} is a required argument.")));
    }
    Ok(Output {
        result: Some(pattern.matches(&event)),
    })
}
