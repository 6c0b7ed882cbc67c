//! When a certificate is ordered, as a pure state machine.
//!
//! ```text
//!           nothing kept, or for other names            two thirds of its time are over
//!  start ───────────────────────────────► due ◄──────────────────────────────────── held
//!                                        │   ▲                                        ▲
//!                                        │   │ the wait is over, or somebody says so   │
//!                                        │   └────────────────────── waiting           │
//!                                        │ an order                      ▲             │
//!                                        ├── failed ─────────────────────┘             │
//!                                        └── issued ───────────────────────────────────┘
//! ```
//!
//! Invariants: an order that was refused is followed by no more than three others within an hour, however often the server is
//! started meanwhile, as failures are [kept](super::kept); nobody but a person, by a signal, has one made earlier.

use std::time::Duration;

use kiln_types::Timestamp;
use serde::{Deserialize, Serialize};

use crate::tls::validity::Validity;

/// The wait after a first refusal, and how much longer each further one is. Let's Encrypt takes five failed validations of a
/// name in an hour, and gives one back every twelve minutes.
const REFUSED: Wait = Wait {
    first: Duration::from_secs(5 * 60),
    factor: 3,
    longest: Duration::from_secs(6 * 60 * 60),
};
/// The same where the authority was not reached, which counts nowhere.
const UNREACHED: Wait = Wait {
    first: Duration::from_secs(60),
    factor: 2,
    longest: Duration::from_secs(60 * 60),
};
/// The wait when there were too many orders and the authority does not say how long it lasts; and at least.
const LIMITED: Duration = Duration::from_secs(60 * 60);
/// No authority's limit lasts longer.
const LIMITED_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The wait when an order will never succeed unless somebody changes something.
const HOPELESS: Duration = Duration::from_secs(6 * 60 * 60);
/// Between an order that failed and one that somebody wants at once.
const HURRIED: Duration = Duration::from_secs(15);
/// So much of a certificate's time (1/24) the moment of its renewal is put off by chance, so that not all servers come at once; and so
/// much of a wait (1/8).
const SPREAD_OF_RENEWALS: f64 = 24.0;
const SPREAD_OF_WAITS: f64 = 8.0;

/// Decides when to order.
#[derive(Debug)]
pub(super) struct Core {
    /// Of the certificate that is in use and is what was asked for.
    held: Option<Validity>,
    failures: Option<Failures>,
    /// From 0 to 1, by chance.
    chance: f64,
}

/// Orders that failed since the last one that did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Failures {
    pub(super) count: u32,
    last: Timestamp,
    next: Timestamp,
}

/// Why there was no certificate, as far as it matters for the next order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The authority did not answer, or not as one does.
    Unreached,
    /// It looked, and did not find that the names are this server's.
    Refused,
    /// It knows nothing of this server's account, nor took a new one.
    Forgotten,
    /// It was asked too often; perhaps it said for how long.
    Limited(Option<Duration>),
    /// It does not do such a thing at all.
    Hopeless,
}

struct Wait {
    first: Duration,
    factor: u32,
    longest: Duration,
}

impl Core {
    /// Begins with what is kept of an earlier start.
    pub(super) fn new(held: Option<Validity>, failures: Option<Failures>, chance: f64) -> Self {
        Self {
            held,
            failures,
            chance,
        }
    }

    /// Whether it is time to order.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        // A clock that was put back makes nobody wait for the time it showed before.
        let waits = self.failures;
        let waits = waits.is_some_and(|failures| failures.last <= now && now < failures.next);
        !waits && self.wanted().is_none_or(|wanted| wanted <= now)
    }

    /// When it is; none means at once.
    pub(super) fn next(&self) -> Option<Timestamp> {
        let allowed = self.failures.map(|failures| failures.next);
        self.wanted().max(allowed)
    }

    /// Orders that failed since the last one that did not.
    pub(super) fn failures(&self) -> Option<Failures> {
        self.failures
    }

    /// There is a certificate.
    pub(super) fn issued(&mut self, validity: Validity, chance: f64) {
        *self = Self::new(Some(validity), None, chance);
    }

    /// There is none.
    pub(super) fn failed(&mut self, failure: Failure, now: Timestamp, chance: f64) -> Failures {
        let before = self.failures.map_or(0, |failures| failures.count);
        let wait = match failure {
            Failure::Unreached | Failure::Forgotten => UNREACHED.after(before),
            Failure::Refused => REFUSED.after(before),
            Failure::Limited(told) => told.unwrap_or_default().clamp(LIMITED, LIMITED_MAX),
            Failure::Hopeless => HOPELESS,
        };
        let wait = wait + wait.mul_f64(chance / SPREAD_OF_WAITS);
        let failures = Failures {
            count: before.saturating_add(1),
            last: now,
            next: now + wait,
        };
        self.failures = Some(failures);
        failures
    }

    /// Somebody has changed something, and wants no wait.
    pub(super) fn hurried(&mut self) {
        if let Some(failures) = &mut self.failures {
            failures.next = failures.next.min(failures.last + HURRIED);
        }
    }

    /// When a new certificate is wanted; none means that it was all along.
    fn wanted(&self) -> Option<Timestamp> {
        let Validity {
            not_before,
            not_after,
        } = self.held?;
        let (from, until) = (not_before.as_millisecond(), not_after.as_millisecond());
        let lifetime = (until - from).max(0);
        let spread = lifetime as f64 / SPREAD_OF_RENEWALS * self.chance;
        Some(Timestamp::from_millis(
            from + lifetime / 3 * 2 + spread as i64,
        ))
    }
}

impl Failures {
    /// When the next order is made unless somebody wants it earlier.
    pub(super) fn next(self) -> Timestamp {
        self.next
    }
}

impl Wait {
    /// After so many failures before this one.
    fn after(&self, failures: u32) -> Duration {
        let factor = self.factor.checked_pow(failures).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
    const MINUTE_MS: i64 = 60 * 1_000;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn days(from: i64, until: i64) -> Validity {
        let time = |day: i64| jiff::Timestamp::from_millisecond(day * DAY_MS).unwrap();
        Validity {
            not_before: time(from),
            not_after: time(until),
        }
    }

    fn failures() -> impl Strategy<Value = Failure> {
        prop_oneof![
            Just(Failure::Unreached),
            Just(Failure::Forgotten),
            Just(Failure::Refused),
            Just(Failure::Hopeless),
            prop::option::of(0..1_000_000_u64)
                .prop_map(|secs| Failure::Limited(secs.map(Duration::from_secs))),
        ]
    }

    #[test]
    fn what_is_not_there_is_ordered_at_once() {
        let core = Core::new(None, None, 0.5);
        assert!(core.is_due(at(0)));
        assert_eq!(core.next(), None);
    }

    #[test]
    fn a_certificate_is_renewed_when_two_thirds_of_its_time_are_over() {
        for (chance, day) in [(0.0, 60.0), (0.5, 61.875), (1.0, 63.75)] {
            let core = Core::new(Some(days(0, 90)), None, chance);
            let due = (day * DAY_MS as f64) as i64;
            assert_eq!(core.next(), Some(at(due)), "{chance}");
            assert!(!core.is_due(at(due - 1)));
            assert!(core.is_due(at(due)));
        }
        assert!(Core::new(Some(days(10, 10)), None, 0.0).is_due(at(11 * DAY_MS)));
    }

    #[test]
    fn waits_grow_by_what_failed() {
        let hours = |hours: i64| hours * 60;
        let told = |hours: u64| Failure::Limited(Some(Duration::from_secs(hours * 3_600)));
        for (failure, minutes) in [
            (Failure::Refused, [5, 15, 45, 135, hours(6), hours(6)]),
            (Failure::Unreached, [1, 2, 4, 8, 16, 32]),
            (Failure::Limited(None), [60; 6]),
            (told(0), [60; 6]),
            (told(30), [hours(30); 6]),
            (told(10_000), [hours(7 * 24); 6]),
            (Failure::Hopeless, [hours(6); 6]),
        ] {
            let mut core = Core::new(None, None, 0.0);
            let mut now = 0;
            for (step, minutes) in minutes.into_iter().enumerate() {
                let failures = core.failed(failure, at(now), 0.0);
                now += minutes * MINUTE_MS;
                assert_eq!(failures.next(), at(now), "{failure:?} {step}");
                assert_eq!(failures.count as usize, step + 1);
                assert!(!core.is_due(at(now - 1)), "{failure:?} {step}");
                assert!(core.is_due(at(now)), "{failure:?} {step}");
            }
        }
        let mut core = Core::new(None, None, 0.0);
        let failures = core.failed(Failure::Refused, at(0), 1.0);
        assert_eq!(failures.next(), at(5 * MINUTE_MS + 5 * MINUTE_MS / 8));
    }

    #[test]
    fn a_failed_renewal_is_tried_again_and_what_is_issued_ends_the_wait() {
        let mut core = Core::new(Some(days(0, 90)), None, 0.0);
        let now = 60 * DAY_MS;
        core.failed(Failure::Refused, at(now), 0.0);
        assert!(!core.is_due(at(now)));
        assert_eq!(core.next(), Some(at(now + 5 * MINUTE_MS)));
        core.issued(days(60, 150), 0.0);
        assert_eq!(core.failures(), None);
        assert_eq!(core.next(), Some(at(120 * DAY_MS)));
    }

    #[test]
    fn a_restart_waits_on_and_a_person_does_not() {
        let mut core = Core::new(None, None, 0.0);
        core.hurried();
        let failures = core.failed(Failure::Hopeless, at(0), 0.0);
        let mut restarted = Core::new(None, Some(failures), 0.9);
        assert!(!restarted.is_due(at(59 * MINUTE_MS)));
        restarted.hurried();
        assert!(!restarted.is_due(at(14_999)), "not at once again");
        assert!(restarted.is_due(at(15_000)));
    }

    #[test]
    fn a_clock_that_was_put_back_makes_nobody_wait() {
        let mut core = Core::new(None, None, 0.0);
        core.failed(Failure::Refused, at(90 * DAY_MS), 0.0);
        assert!(core.is_due(at(DAY_MS)));
    }

    #[test]
    fn hurry_renews_nothing_that_is_good() {
        let mut core = Core::new(Some(days(0, 90)), None, 0.0);
        core.hurried();
        assert!(!core.is_due(at(DAY_MS)));
    }

    proptest! {
        #[test]
        fn no_hour_has_more_than_four_refusals(
            chances in prop::collection::vec(0.0..1.0_f64, 40),
            is_restarted in prop::collection::vec(any::<bool>(), 40),
        ) {
            let mut core = Core::new(None, None, 0.0);
            let (mut now, mut orders) = (0_i64, Vec::new());
            for (chance, is_restarted) in chances.into_iter().zip(is_restarted) {
                orders.push(now);
                let failures = core.failed(Failure::Refused, at(now), chance);
                if is_restarted {
                    core = Core::new(None, Some(failures), chance);
                }
                now = core.next().unwrap().as_millis();
                prop_assert!(core.is_due(at(now)));
            }
            for (step, begun) in orders.iter().enumerate() {
                let within = orders[step..].iter().filter(|order| *order - begun < 60 * MINUTE_MS);
                prop_assert!(within.count() <= 4);
            }
        }

        #[test]
        fn whatever_fails_there_is_a_next_time_and_not_at_once(
            steps in prop::collection::vec((failures(), 0.0..1.0_f64), 1..60),
        ) {
            let mut core = Core::new(Some(days(0, 90)), None, 0.0);
            let mut now = 60 * DAY_MS;
            for (failure, chance) in steps {
                prop_assert!(core.is_due(at(now)));
                core.failed(failure, at(now), chance);
                let next = core.next().unwrap().as_millis();
                prop_assert!(next >= now + MINUTE_MS && next <= now + 8 * DAY_MS);
                prop_assert!(!core.is_due(at(next - 1)));
                now = next;
            }
        }
    }
}
