//! How an event's end is kept, and who is told of it. Pure.

use bytes::Bytes;
use kiln_store::queue::{DeadLetter, Delivery, Event, Reason, Settlement, Told};
use kiln_types::{
    Destination, EventInvokeConfig, Outcome, QueueArn, RequestId, Timestamp, Trace, limits,
};

use super::record::{End, Record, record};
use crate::told;

mod dead_letter;

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

/// What a function wants done with the ends of its events.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    pub(super) config: EventInvokeConfig,
    /// Where what was given up goes as it came.
    pub(super) dead_letters: Option<QueueArn>,
}

/// What is made of an event that ended. A failure that nobody is told of is kept: AWS forgets it.
pub(super) fn settlement(event: &Event, wishes: &Wishes, ending: Ending) -> Settlement {
    let now = ending.now;
    let config = &wishes.config;
    let Some(reason) = ending.reason else {
        let told = config.on_success.as_ref();
        let told = told.map(|to| {
            let Record { full, brief } = written(event, to, &ending);
            Told {
                delivery: tell(event, to, &ending, full.unwrap_or_else(|| brief.clone())),
                brief,
            }
        });
        return Settlement::Succeeded(told, now);
    };
    let to = config.on_failure.as_ref();
    let to = to.filter(|to| ending.outcome.is_some() || !leads_on(event, to));
    // An event too large to be told of is kept, as nobody else has its payload.
    let told = to.and_then(|to| Some(tell(event, to, &ending, written(event, to, &ending).full?)));
    let queue = wishes.dead_letters.as_ref();
    let passed_on = queue.and_then(|queue| dead_letter::message(event, queue, reason, &ending));
    let told: Vec<Delivery> = told.into_iter().chain(passed_on).collect();
    let was_started = ending.outcome.is_some();
    let letter = DeadLetter {
        reason,
        error: shortened(ending.error, ERROR_BYTES_MAX),
        died: now,
    };
    match told.is_empty() {
        false => Settlement::Failed {
            told,
            letter,
            was_started,
        },
        true => Settlement::Dead {
            letter,
            was_started,
        },
    }
}

/// Whether telling of an event that did not run would be part of a loop: two functions that are each
/// other's destination could go on telling each other that nothing ran.
fn leads_on(event: &Event, to: &Destination) -> bool {
    let Destination::Function(arn) = to else {
        return false;
    };
    left(event).hops(&arn.id()) >= limits::RECURSION_HOPS_MAX
}

fn written(event: &Event, to: &Destination, ending: &Ending) -> Record {
    let end = End {
        condition: ending.reason.map_or("Success", Reason::as_str),
        invokes: event.starts - u32::from(ending.outcome.is_none()),
        outcome: ending.outcome.as_ref(),
        now: ending.now,
    };
    record(event, &end, told::bytes_max(to))
}

/// What tells a destination.
fn tell(event: &Event, to: &Destination, ending: &Ending, payload: Bytes) -> Delivery {
    let trace = left(event).to_string();
    told::delivery(to, ending.telling, Some(trace), payload)
}

/// The tracing header as the event's function had it.
fn left(event: &Event) -> Trace {
    let mut trace = Trace::read(event.event.trace.as_deref().unwrap_or_default());
    trace.enter(&event.event.function);
    trace
}

fn shortened(mut text: String, bytes_max: usize) -> String {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests;
