//! How an event's end is kept, and who is told of it. Pure.

use std::collections::BTreeMap;

use bytes::Bytes;
use kiln_store::queue::{DeadLetter, Event, Reason, Settlement, Told};
use kiln_types::{
    Destination, EventInvokeConfig, Outcome, Qualifier, RequestId, Timestamp, Trace, Version,
    limits,
};

use super::record::{End, Record, record};
use crate::told::{self, Tell, Telling};

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
    pub(super) dead_letters: Option<Destination>,
}

/// What is made of an event that ended. A failure that nobody is told of is kept: AWS forgets it.
pub(super) fn settlement(
    event: &Event,
    wishes: &Wishes,
    ending: Ending,
    tell: &dyn Tell,
) -> Settlement {
    match ending.reason {
        None => success(event, wishes, &ending, tell),
        Some(reason) => failure(event, wishes, ending, reason, tell),
    }
}

/// A success whose destination is not there is kept: who is to be told can be, once that is mended.
fn success(event: &Event, wishes: &Wishes, ending: &Ending, tell: &dyn Tell) -> Settlement {
    let Some(to) = &wishes.config.on_success else {
        return Settlement::Succeeded(None, ending.now);
    };
    let Record { full, brief } = written(event, to, ending);
    let say = |payload| tell.tell(to, telling(event, ending, payload));
    let mut otherwise = DeadLetter {
        reason: Reason::DestinationNotTold,
        error: format!("the function succeeded, and {to} was not told"),
        died: ending.now,
    };
    // A topic and a bus have many receivers, and no briefer record: as much room is never promised.
    let has_brief = matches!(to, Destination::Function(_) | Destination::Queue(_));
    let short = has_brief.then(|| say(brief.clone()));
    match (say(full.unwrap_or(brief)), short.transpose()) {
        (Ok(whole), Ok(brief)) if !whole.is_empty() => Settlement::Succeeded(
            Some(Told {
                whole,
                brief,
                otherwise,
            }),
            ending.now,
        ),
        // Nobody has subscribed, no rule wants it.
        (Ok(_), Ok(_)) => Settlement::Succeeded(None, ending.now),
        (Err(error), _) | (_, Err(error)) => {
            otherwise.error = format!("{}: {error}", otherwise.error);
            Settlement::Dead {
                letter: otherwise,
                was_started: true,
            }
        }
    }
}

fn failure(
    event: &Event,
    wishes: &Wishes,
    ending: Ending,
    reason: Reason,
    tell: &dyn Tell,
) -> Settlement {
    let now = ending.now;
    let is_told = |to: &&Destination| ending.outcome.is_some() || !leads_on(event, to);
    let mut told = Vec::new();
    let (mut untold, mut whys) = (0, String::new());
    let mut say = |to: &Destination, payload: Option<Telling>| {
        let deliveries = payload
            .ok_or_else(|| "the event has no room in it".to_owned())
            .and_then(|telling| tell.tell(to, telling).map_err(|error| error.to_string()));
        match deliveries {
            // Nobody has subscribed, no rule wants it.
            Ok(deliveries) if deliveries.is_empty() => {}
            Ok(deliveries) => told.push(deliveries),
            Err(why) => {
                tracing::warn!(why, %to, "a destination cannot be told of an event's failure");
                untold += 1;
                whys.push_str(&format!("; {to} was not told: {why}"));
            }
        }
    };
    if let Some(to) = wishes.config.on_failure.as_ref().filter(is_told) {
        // An event too large to be told of is kept, as nobody else has its payload.
        let full = written(event, to, &ending).full;
        say(to, full.map(|payload| telling(event, &ending, payload)));
    }
    if let Some(to) = wishes.dead_letters.as_ref().filter(is_told) {
        say(
            to,
            dead_letter::telling(event, reason, &ending, told::bytes_max(to)),
        );
    }
    let was_started = ending.outcome.is_some();
    let letter = DeadLetter {
        reason,
        error: shortened(ending.error, ERROR_BYTES_MAX) + &whys,
        died: now,
    };
    match told.is_empty() {
        false => Settlement::Failed {
            told,
            untold,
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
/// other's destination could go on telling each other that nothing ran. Whom a topic, a bus or a bucket leads to is not
/// looked at: a loop over one comes back to the event's own function.
fn leads_on(event: &Event, to: &Destination) -> bool {
    let left = left(event);
    let hops = match to {
        Destination::Function(arn) => left.hops(&arn.id()),
        Destination::Queue(_) => return false,
        Destination::Topic(_) | Destination::Bus(_) | Destination::Bucket(_) => {
            left.hops(&event.event.function)
        }
    };
    hops >= limits::RECURSION_HOPS_MAX
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

/// What a destination is told.
fn telling(event: &Event, ending: &Ending, payload: Bytes) -> Telling {
    let qualifier = event.event.qualifier.clone();
    let qualifier = qualifier.unwrap_or(Qualifier::Version(Version::Latest));
    let function = event.event.invoked_arn.clone().qualified(Some(qualifier));
    let prefix = format!("async/{}", function.name);
    Telling {
        id: ending.telling,
        key: told::key(&prefix, event.event.request_id, ending.now),
        trace: Some(left(event).to_string()),
        payload,
        attributes: BTreeMap::new(),
        function,
        is_success: ending.reason.is_none(),
        now: ending.now,
    }
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
