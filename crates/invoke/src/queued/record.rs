//! The record of an event's end that a destination gets, in AWS's shape (developer guide, "Capturing
//! records of Lambda asynchronous invocations").
//!
//! AWS differs: its records for functions have at most 1 MB and lose payloads that are larger; here a
//! record has the 6 MiB of any event, and for a queue the 1 MiB of a message. A response beyond that is left
//! out; where the request alone is beyond it, it is left out of the record of a success, and a failure is
//! kept in the place of telling of it.

use bytes::Bytes;
use kiln_store::queue::Event;
use kiln_types::{InvocationReport, Outcome, Timestamp};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::told::{RequestContext, ResponseContext};

/// The record, as large as it may be.
pub(super) struct Record {
    /// With the request, and with the response if that has room; none when the request has none.
    pub(super) full: Option<Bytes>,
    /// Without payloads.
    pub(super) brief: Bytes,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    version: &'static str,
    timestamp: String,
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_payload: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_context: Option<ResponseContext>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_payload: Option<Box<RawValue>>,
}

/// What a record says of an event's end.
pub(super) struct End<'a> {
    pub(super) condition: &'a str,
    /// How often the function was run.
    pub(super) invokes: u32,
    /// That of the last time, where there was one just now.
    pub(super) outcome: Option<&'a Outcome>,
    pub(super) now: Timestamp,
}

/// Writes the record, as large as whoever gets it takes.
pub(super) fn record(event: &Event, end: &End<'_>, bytes_max: usize) -> Record {
    let End {
        condition,
        invokes,
        outcome,
        now,
    } = *end;
    let report = outcome.and_then(|outcome| outcome.report.as_ref());
    let arn = event.event.invoked_arn.clone();
    let qualifier = event.event.qualifier.clone();
    let latest = kiln_types::Qualifier::Version(kiln_types::Version::Latest);
    let mut record = Written {
        version: "1.0",
        timestamp: now.to_string(),
        request_context: RequestContext {
            request_id: event.event.request_id.to_string(),
            function_arn: arn.qualified(Some(qualifier.unwrap_or(latest))).to_string(),
            condition,
            approximate_invoke_count: invokes,
        },
        request_payload: Some(raw(&event.event.payload)),
        response_context: outcome.zip(report).map(response_context),
        response_payload: report.map(|report| raw(&report.payload)),
    };
    let fits = |written: &Bytes| written.len() <= bytes_max;
    let mut full = Some(write(&record)).filter(fits);
    record.response_payload = None;
    full = full.or_else(|| Some(write(&record)).filter(fits));
    record.request_payload = None;
    let brief = write(&record);
    Record { full, brief }
}

fn response_context((outcome, report): (&Outcome, &InvocationReport)) -> ResponseContext {
    let error = report.status.function_error();
    ResponseContext::new(outcome.executed_version, error.map(|error| error.as_str()))
}

fn write(record: &Written<'_>) -> Bytes {
    serde_json::to_vec(record)
        .expect("texts, numbers and JSON are JSON")
        .into()
}

/// A payload as it came; what is no JSON, which a custom runtime may answer, as a text.
fn raw(payload: &[u8]) -> Box<RawValue> {
    let text = String::from_utf8_lossy(payload);
    let json = RawValue::from_string(text.clone().into_owned());
    json.unwrap_or_else(|_| serde_json::value::to_raw_value(&text).expect("a text is always JSON"))
}
