//! Decides what becomes of a tick. Pure: the time is an argument.
//!
//! ```text
//!  due ──► Deliver ──► (delivered)
//!             │  ▲
//!     no room │  │ later
//!             ├──┴─ Wait
//!             └───► Dead (its dead-letter queue) ──► Lost
//! ```

use std::time::Duration;

use kiln_events::schedule::Timetable;
use kiln_store::messages::Refusal;
use kiln_store::queue::Full;
use kiln_store::schedules::{Due, Ended, Fired, Then};
use kiln_types::{Receiver, ScheduleSettings, Timestamp};

/// How much later than it should a tick may run and count as on time: as AWS has it. Beyond, the server did not run, or
/// the clock was set: then only the last of the ticks that were missed runs.
pub(crate) const LATE: Duration = Duration::from_secs(60);
/// How long a tick waits for room when it was tried once; twice as long each time after.
const WAIT_FIRST: Duration = Duration::from_secs(1);
/// How long it waits at most.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// A tick on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// When it was due.
    pub(crate) due: Timestamp,
    /// How often it was tried.
    pub(crate) attempts: u32,
    /// What is tried now.
    pub(crate) step: Step,
    /// What becomes of the schedule when the tick has ended.
    next: Then,
}

/// What is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// To deliver what it says.
    Deliver,
    /// To wait for room until then.
    Wait(Timestamp),
    /// To tell the dead-letter queue.
    Dead(Failure),
    /// To go on without it.
    Lost(Failure),
}

/// Why a tick was not delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// In the words of AWS's dead letters.
    pub(crate) code: &'static str,
    /// What happened.
    pub(crate) message: String,
    /// Which limit of the retry policy was reached, if one was.
    pub(crate) condition: Option<&'static str>,
}

impl Failure {
    /// There is nobody to tell.
    pub(crate) fn no_target(message: String) -> Self {
        Self {
            code: "RESOURCE_NOT_FOUND",
            message,
            condition: None,
        }
    }

    fn too_old() -> Self {
        Self {
            code: "EVENT_AGE_EXCEEDED",
            message: "the tick became older than its retry policy allows".to_owned(),
            condition: Some("MaximumEventAgeInSeconds"),
        }
    }

    fn full(full: Full) -> Self {
        Self {
            code: "THROTTLING",
            message: full.to_string(),
            condition: Some("MaximumRetryAttempts"),
        }
    }
}

impl Plan {
    /// Of a schedule that is due now.
    pub(crate) fn new(
        timetable: &Timetable,
        settings: &ScheduleSettings,
        due: Due,
        now: Timestamp,
    ) -> Self {
        let window_end = |due| timetable.window_end(due) + LATE;
        let mut tick = due.due;
        if due.attempts == 0 && now > window_end(tick) {
            tick = timetable.last_until(now, tick).unwrap_or(tick);
        }
        let oldest = tick + Duration::from_secs(settings.target.age_max_secs.into());
        let is_too_old = now > oldest.max(window_end(tick));
        let done = match settings.is_deleted_when_done {
            true => Then::Delete,
            false => Then::Done,
        };
        Self {
            due: tick,
            attempts: due.attempts,
            step: match is_too_old {
                true => Step::Dead(Failure::too_old()),
                false => Step::Deliver,
            },
            next: timetable
                .next_after(tick)
                .map_or(done, |next| Then::Due(Due::new(next.due, next.wake))),
        }
    }

    /// Of a schedule that cannot be read any more: it ends.
    pub(crate) fn broken(due: Due, message: String) -> Self {
        Self {
            due: due.due,
            attempts: due.attempts,
            step: Step::Dead(Failure {
                code: "INVALID_SCHEDULE",
                message,
                condition: None,
            }),
            next: Then::Done,
        }
    }

    /// What becomes of the schedule.
    pub(crate) fn then(&self) -> Then {
        match self.step {
            Step::Wait(wake) => Then::Due(Due {
                due: self.due,
                wake,
                attempts: self.attempts + 1,
            }),
            _ => self.next,
        }
    }

    /// How the tick ends, if it does.
    pub(crate) fn ended(&self) -> Option<Ended> {
        match self.step {
            Step::Deliver => Some(Ended::Fired),
            Step::Wait(_) => None,
            Step::Dead(_) => Some(Ended::Dead),
            Step::Lost(_) => Some(Ended::Lost),
        }
    }

    /// What is tried after this; nothing when it was done.
    pub(crate) fn after(
        mut self,
        fired: Fired,
        settings: &ScheduleSettings,
        now: Timestamp,
    ) -> Option<Self> {
        let is_last = self.attempts >= settings.target.retries_max;
        let receiver = &settings.target.receiver;
        let is_for_many = matches!(receiver, Receiver::Rule(_) | Receiver::Topic(_));
        self.step = match (self.step, fired) {
            (_, Fired::Done | Fired::Stale) => return None,
            (Step::Deliver, Fired::Full(full)) => match is_last {
                true => Step::Dead(Failure::full(full)),
                false => Step::Wait(now + wait(self.attempts)),
            },
            // A queue went away since the rule or the topic was looked at, which says of each target what becomes of it then;
            // or there is no room for one function more.
            (Step::Deliver, Fired::Refused(refusal))
                if (is_for_many || matches!(refusal, Refusal::Crowded(_))) && !is_last =>
            {
                Step::Wait(now + wait(self.attempts))
            }
            (Step::Deliver, Fired::Refused(refusal)) => {
                Step::Dead(Failure::no_target(refusal.to_string()))
            }
            // Neither is ever full or refused: they deliver nothing.
            (step @ (Step::Wait(_) | Step::Lost(_)), _) => step,
            (Step::Dead(failure), Fired::Full(full)) => Step::Lost(worse(failure, &full)),
            (Step::Dead(failure), Fired::Refused(refusal)) => Step::Lost(worse(failure, &refusal)),
        };
        Some(self)
    }
}

fn wait(attempts: u32) -> Duration {
    WAIT_FIRST
        .saturating_mul(1 << attempts.min(16))
        .min(WAIT_MAX)
}

fn worse(mut failure: Failure, why: &dyn std::fmt::Display) -> Failure {
    failure.message = format!("{}; its dead-letter queue: {why}", failure.message);
    failure
}
