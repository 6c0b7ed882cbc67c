//! Carries a batch to the function, or what is given up to its destination, and says how that ended.

use std::sync::Arc;

use bytes::Bytes;
use kiln_invoke::{Error, Kind, Request};
use kiln_types::{Mapping, Outcome, RequestId};
use tokio::sync::mpsc::UnboundedSender;

use crate::batch::{Answer, Attempt, Event, GivenUp, Ran};
use crate::destination::{self, Ending};
use crate::envelope::{self, Origin};
use crate::handle::Shared;
use crate::supervisor::problem;

/// How something ended that was carried.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The part of the source whose core is told; none: it has no parts.
    pub(crate) part: Option<u32>,
    /// What the core is told.
    pub(crate) event: Event,
    /// What the mapping says of it, where the core cannot know.
    pub(crate) problem: Option<String>,
}

/// Starts a task for each thing that is carried.
pub(crate) struct Carrier {
    pub(crate) shared: Arc<Shared>,
    pub(crate) mapping: Arc<Mapping>,
    pub(crate) part: Option<u32>,
    pub(crate) events: UnboundedSender<Ended>,
}

impl Carrier {
    /// Runs the function on a batch.
    pub(crate) fn invoke(self, attempt: Attempt, origin: &Origin) {
        let payload = envelope::event(&attempt.records, attempt.part.as_ref(), origin);
        let tracker = self.shared.deps.tracker.clone();
        tracker.spawn(async move {
            let (answer, problem) = run(&self.shared, &self.mapping, payload, None).await;
            let event = Event::Answered {
                batch: attempt.batch,
                answer,
            };
            self.tell(event, problem);
        });
    }

    /// Has the destination keep a batch that is given up; without one it is only told of in the log, as its
    /// mapping's owner wanted.
    pub(crate) fn keep(self, given_up: GivenUp, origin: Origin) {
        let Some(to) = self.mapping.settings.on_failure.clone() else {
            let (first, last) = (given_up.records.first(), given_up.records.last());
            tracing::warn!(
                mapping = %self.mapping.id, condition = given_up.condition.as_str(),
                count = given_up.records.len(), first = ?first, last = ?last,
                "records were given up, and their mapping has no destination"
            );
            let event = Event::Kept {
                batch: given_up.batch,
            };
            self.tell(event, None);
            return;
        };
        let tracker = self.shared.deps.tracker.clone();
        tracker.spawn(async move {
            let ending = Ending {
                given_up: &given_up,
                mapping: self.mapping.id,
                function: &self.mapping.function,
                origin: &origin,
                now: self.shared.now().calendar,
            };
            let deps = &self.shared.deps;
            let kept = destination::keep(&deps.store, &deps.fan_out, &to, &ending).await;
            let batch = given_up.batch;
            match kept {
                Ok(()) => self.tell(Event::Kept { batch }, None),
                Err(error) => {
                    let text = problem(&format!("the destination took no record: {error}"));
                    self.tell(Event::NotKept { batch }, Some(text));
                }
            }
        });
    }

    fn tell(&self, event: Event, problem: Option<String>) {
        let part = self.part;
        // The worker is gone only when nothing of it runs any more.
        let _ = self.events.send(Ended {
            part,
            event,
            problem,
        });
    }
}

/// Runs a mapping's function on an event: how it ended, and what the mapping says of that where it did not run.
pub(crate) async fn run(
    shared: &Shared,
    mapping: &Mapping,
    payload: Bytes,
    trace: Option<String>,
) -> (Answer, Option<String>) {
    let function = &mapping.function;
    let request = Request {
        function: function.id(),
        qualifier: function.qualifier.clone(),
        payload,
        kind: Kind::RequestResponse,
        client_context: None,
        tenant: None,
        trace,
        wants_log_tail: false,
        request_id: RequestId::random(),
        invoked_arn: function.clone(),
    };
    let result = shared.deps.invoke.invoke(request).await;
    match is_our_doing(shared, &result) {
        true => (Answer::Abandoned, None),
        false => answer(result),
    }
}

/// Whether an invocation ended as it did because the server ends.
fn is_our_doing(shared: &Shared, result: &Result<Outcome, Error>) -> bool {
    match result {
        Ok(outcome) => shared.is_abandoned() && error_of(outcome).is_some(),
        Err(Error::Unavailable(_)) => shared.deps.stop.is_cancelled(),
        Err(_) => shared.is_abandoned(),
    }
}

fn answer(result: Result<Outcome, Error>) -> (Answer, Option<String>) {
    match result {
        Ok(outcome) => {
            let ran = Ran {
                version: outcome.executed_version,
                error: error_of(&outcome),
            };
            let payload = outcome.report.map(|report| report.payload);
            match ran.error {
                None => (Answer::Returned(payload.unwrap_or_default(), ran), None),
                Some(_) => (Answer::Failed(ran), None),
            }
        }
        Err(error) => {
            let text = problem(&error.to_string());
            match error {
                Error::TooLarge { .. } => (Answer::TooLarge, Some(text)),
                // Waiting would not help: the chain that leads here stays as long as it is.
                Error::Recursive => {
                    let version = kiln_types::Version::Latest;
                    let ran = Ran {
                        version,
                        error: Some("Unhandled"),
                    };
                    (Answer::Failed(ran), Some(text))
                }
                _ => (Answer::Refused, Some(text)),
            }
        }
    }
}

/// The class of the function's error, if it failed.
fn error_of(outcome: &Outcome) -> Option<&'static str> {
    let report = outcome.report.as_ref()?;
    let error = report.status.function_error()?;
    Some(error.as_str())
}
