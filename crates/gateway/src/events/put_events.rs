//! `PutEvents`: puts events on buses. Each is accepted or refused by itself; those accepted are on disk, at
//! everybody's who wants them, before the answer is sent.
//!
//! AWS differs: an event for a bus that is not there is refused; AWS takes and loses it. What comes to more
//! deliveries than there may be at once is refused with `LimitExceededException`.

use std::collections::VecDeque;

use kiln_events::envelope::{self, Entry, Envelope, Origin, REQUEST_TOO_LARGE};
use kiln_invoke::fan_out::{Publication, Refusal};
use kiln_types::{RequestId, Timestamp};

use super::bus;
use super::generated::{
    PutEventsRequest as Input, PutEventsRequestEntry, PutEventsResponse as Output,
    PutEventsResultEntry,
};
use super::refusal::invalid;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::lambda::invocation::trace as trace_of;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    if input.endpoint_id.is_some() {
        return Err(ApiError::not_implemented("global endpoints (EndpointId)"));
    }
    let entries: Vec<Entry<'_>> = input.entries.iter().map(entry).collect();
    if !envelope::is_small_enough(&entries) {
        return Err(invalid(REQUEST_TOO_LARGE));
    }
    let given = input.entries.iter().zip(&entries);
    let read = given.map(|(given, entry)| publication(context, given, entry));
    let read: Vec<std::result::Result<Publication, PutEventsResultEntry>> = read.collect();
    let publications: Vec<_> = read.iter().flatten().cloned().collect();
    let published = context.deps.fan_out.publish(&publications, context.now);
    let mut published = VecDeque::from(published.await);
    let entries = read.into_iter().map(|read| match read {
        Err(refused) => refused,
        Ok(publication) => {
            let result = published.pop_front();
            shown(&publication.event, result.expect("there is one for each"))
        }
    });
    let entries: Vec<_> = entries.collect();
    let failed = entries.iter().filter(|entry| entry.error_code.is_some());
    Ok(Output {
        failed_entry_count: Some(failed.count() as i64),
        entries: Some(entries),
    })
}

fn entry(given: &PutEventsRequestEntry) -> Entry<'_> {
    Entry {
        source: given.source.as_deref(),
        detail_type: given.detail_type.as_deref(),
        detail: given.detail.as_deref(),
        resources: given.resources.as_deref().unwrap_or_default(),
        time: given
            .time
            .map(|secs| Timestamp::from_millis((secs * 1_000.0) as i64)),
    }
}

fn publication(
    context: &Context,
    given: &PutEventsRequestEntry,
    entry: &Entry<'_>,
) -> std::result::Result<Publication, PutEventsResultEntry> {
    let origin = Origin {
        account: &context.caller.account,
        region: &context.config.region,
        now: context.now,
    };
    let event = entry
        .accept(RequestId::random().to_string(), &origin)
        .map_err(|refused| failed(refused.code, refused.message))?;
    let bus = bus::named(context, given.event_bus_name.as_deref())
        .map_err(|refused| failed(refused.exception.name(), refused.message.into_owned()))?;
    // Where nothing is traced a chain begins here, so that a loop over the bus is one.
    let trace = given.trace_header.clone();
    let trace = Some(trace.unwrap_or_else(|| trace_of(context)));
    Ok(Publication { bus, event, trace })
}

fn shown(event: &Envelope, result: std::result::Result<(), Refusal>) -> PutEventsResultEntry {
    let Err(refusal) = result else {
        return PutEventsResultEntry {
            event_id: Some(event.id.clone()),
            ..Default::default()
        };
    };
    match refusal {
        Refusal::NoBus(id) => failed(
            Exception::ResourceNotFound.name(),
            format!("Event bus {} does not exist.", id.name),
        ),
        Refusal::NoTopic(_) => failed(Exception::ResourceNotFound.name(), refusal.to_string()),
        Refusal::TooMuch => failed(Exception::LimitExceeded.name(), refusal.to_string()),
        Refusal::ArchivesFull { .. } => {
            failed(Exception::LimitExceeded.name(), refusal.to_string())
        }
        Refusal::Full { .. } => failed("ThrottlingException", refusal.to_string()),
        Refusal::NotKept(why) => {
            tracing::error!(%why, event = %event.id, "an event could not be kept");
            failed(
                "InternalFailure",
                "Kiln could not keep the event; try again.".to_owned(),
            )
        }
    }
}

fn failed(code: &str, message: String) -> PutEventsResultEntry {
    PutEventsResultEntry {
        event_id: None,
        error_code: Some(code.to_owned()),
        error_message: Some(message),
    }
}
