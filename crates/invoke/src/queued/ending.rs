//! How an event's end is kept, and who is told of it. Pure.

use kiln_store::queue::{DeadLetter, Event, NewEvent, Reason, Settlement};
use kiln_types::{
    Destination, EventInvokeConfig, FunctionId, Outcome, RequestId, Timestamp, Trace, limits,
};

use super::record::record;

/// Text of an error that is kept with a dead letter, at most.
const ERROR_BYTES_MAX: usize = 4_096;

/// An event's end.
#[derive(Debug)]
pub(super) struct Ending {
    /// Why it was given up; none when it succeeded.
    pub(super) reason: Option<Reason>,
    /// What the function answered, if it ran.
    pub(super) outcome: Option<Outcome>,
    /// What a person is told of a failure.
    pub(super) error: String,
    /// The id of the event that tells somebody, should there be one.
    pub(super) telling: RequestId,
    /// When.
    pub(super) now: Timestamp,
}

/// What is made of an event that ended. A failure that nobody is told of is kept: AWS forgets it.
pub(super) fn settlement(event: &Event, config: &EventInvokeConfig, ending: Ending) -> Settlement {
    let now = ending.now;
    let Some(reason) = ending.reason else {
        let told = config.on_success.as_ref();
        return Settlement::Succeeded(told.map(|to| tell(event, to, &ending)), now);
    };
    let to = config.on_failure.as_ref();
    match to.filter(|to| !leads_on(event, to, reason)) {
        Some(to) => Settlement::Failed(tell(event, to, &ending), now),
        None => Settlement::Dead {
            was_started: ending.outcome.is_some(),
            letter: DeadLetter {
                reason,
                error: shortened(ending.error),
                died: now,
            },
        },
    }
}

/// Whether telling of a loop would be part of it: two functions that are each other's destination
/// could go on telling each other that they were stopped.
fn leads_on(event: &Event, to: &Destination, reason: Reason) -> bool {
    let Destination::Function(arn) = to;
    let hops = || {
        left(event).hops(&FunctionId {
            account: arn.account.clone(),
            name: arn.name.clone(),
        })
    };
    reason == Reason::RecursiveInvocation && hops() >= limits::RECURSION_HOPS_MAX
}

/// The event that tells a destination.
fn tell(event: &Event, to: &Destination, ending: &Ending) -> NewEvent {
    let condition = ending.reason.map_or("Success", Reason::as_str);
    let invokes = event.starts - u32::from(ending.outcome.is_none());
    let outcome = ending.outcome.as_ref();
    let Destination::Function(arn) = to;
    NewEvent {
        request_id: ending.telling,
        function: FunctionId {
            account: arn.account.clone(),
            name: arn.name.clone(),
        },
        qualifier: arn.qualifier.clone(),
        invoked_arn: arn.clone(),
        client_context: None,
        trace: Some(left(event).to_string()),
        payload: record(event, condition, invokes, outcome, ending.now),
    }
}

/// The tracing header as the event's function had it.
fn left(event: &Event) -> Trace {
    let mut trace = Trace::read(event.event.trace.as_deref().unwrap_or_default());
    trace.enter(&event.event.function);
    trace
}

fn shortened(mut text: String) -> String {
    let mut end = text.len().min(ERROR_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests;
