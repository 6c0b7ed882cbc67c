//! What follows from one attempt at an event. Pure.
//!
//! | it came to | then |
//! |---|---|
//! | success | done |
//! | function error | again after 1 minute, then 2, while it has retries; each up to 10 % later, so that what failed together does not return together |
//! | not run: a limit, a function that is not ready, a failure of ours | again after 1, 2, 4 … 300 s, each up to half sooner; uses up no retry |
//! | not run: the function may have no instances, is gone, or is in a loop | given up |
//!
//! An event that would be tried again later than it may live is tried, and given up, when it has
//! lived so long.

use std::time::Duration;

use kiln_scheduler::ThrottleReason;
use kiln_store::queue::{Again, Event, Reason};
use kiln_types::{EventInvokeConfig, Function, RequestId, Timestamp, limits};

use super::QueueConfig;
use crate::error::Error;

/// The longest wait of an event that could not be run.
const DELAY_MAX: Duration = Duration::from_secs(300);
/// The first.
const DELAY_FIRST: Duration = Duration::from_secs(1);
/// How much later than planned a retry may come.
const RETRY_JITTER: f64 = 0.1;
/// How much sooner than planned a delayed event may come.
const DELAY_JITTER: f64 = 0.5;

/// What a function wants of its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) retries: u32,
    pub(super) age_max: Duration,
    pub(super) retry_after: Duration,
    /// Whether it may have no instances at all.
    pub(super) is_switched_off: bool,
}

/// The time at which a plan is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Now {
    /// By which events are due: it never goes back.
    pub(super) due: Timestamp,
    /// That the calendar shows: by it events are accepted, and so their age is told.
    pub(super) shown: Timestamp,
}

/// What becomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It waits again.
    Again(Again),
    /// It is given up.
    GiveUp(Reason),
}

impl Policy {
    pub(super) fn of(
        function: Option<&Function>,
        config: &EventInvokeConfig,
        settings: &QueueConfig,
    ) -> Self {
        Self {
            retries: config.retries(),
            age_max: config.age_max(),
            retry_after: settings.retry_after,
            is_switched_off: function.is_some_and(|f| f.reserved_concurrency == Some(0)),
        }
    }

    /// How long an event may live still.
    fn left(&self, event: &Event, now: Now) -> Duration {
        let end = event.accepted + self.age_max;
        let ms = end.as_millis() - now.shown.as_millis();
        Duration::from_millis(ms.try_into().unwrap_or(0))
    }
}

/// The longest wait that any attempt can lead to.
pub(super) fn wait_max(settings: &QueueConfig) -> Duration {
    let doublings = limits::EVENT_RETRIES_MAX - 1;
    let retry = settings.retry_after.saturating_mul(1 << doublings);
    DELAY_MAX.max(retry.saturating_add(retry.mul_f64(RETRY_JITTER)))
}

/// Whether an event is too old to be tried.
pub(super) fn is_too_old(event: &Event, policy: &Policy, now: Now) -> bool {
    policy.left(event, now).is_zero()
}

/// After the function failed on it.
pub(super) fn after_failure(event: &Event, policy: &Policy, now: Now) -> Next {
    let failures = event.failures + 1;
    if failures > policy.retries {
        return Next::GiveUp(Reason::RetriesExhausted);
    }
    let planned = policy.retry_after.saturating_mul(1 << (failures - 1));
    let late = planned.mul_f64(RETRY_JITTER * jitter(event.event.request_id, failures));
    Next::Again(Again {
        due: now.due + (planned + late).min(policy.left(event, now)),
        failures,
        delays: 0,
        was_started: true,
    })
}

/// After it could not be run.
pub(super) fn after_refusal(error: &Error, event: &Event, policy: &Policy, now: Now) -> Next {
    let is_reserved = |reason: &ThrottleReason| *reason == ThrottleReason::ReservedConcurrency;
    match error {
        Error::NotFound { .. } => return Next::GiveUp(Reason::FunctionNotFound),
        Error::Recursive => return Next::GiveUp(Reason::RecursiveInvocation),
        Error::TooLarge { .. } | Error::TenantMissing | Error::TenantUnexpected => {
            return Next::GiveUp(Reason::NotInvocable);
        }
        Error::Throttled { reason, .. } if is_reserved(reason) && policy.is_switched_off => {
            return Next::GiveUp(Reason::ZeroReservedConcurrency);
        }
        _ => {}
    }
    let doublings = event.delays.min(16);
    let planned = DELAY_FIRST.saturating_mul(1 << doublings).min(DELAY_MAX);
    let sooner = DELAY_JITTER * jitter(event.event.request_id, event.delays + 8);
    Next::Again(Again {
        due: now.due + planned.mul_f64(1.0 - sooner).min(policy.left(event, now)),
        failures: event.failures,
        delays: event.delays.saturating_add(1),
        // Nothing ran, unless nobody knows.
        was_started: *error == Error::Unknown,
    })
}

/// Back into the queue as it was, because the server stops.
pub(super) fn put_back(event: &Event, now: Now) -> Again {
    Again {
        due: now.due,
        failures: event.failures,
        delays: event.delays,
        was_started: false,
    }
}

/// From 0 to less than 1: the same for the same attempt at the same event, so that nothing here is
/// random (SplitMix64's finaliser).
fn jitter(id: RequestId, attempt: u32) -> f64 {
    let bytes = id.as_bytes();
    let seed = u64::from_le_bytes(bytes[..8].try_into().expect("half of 16 bytes"));
    let mut z = seed.wrapping_add(u64::from(attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) as f64 / 18_446_744_073_709_551_616.0
}

#[cfg(test)]
mod tests;
