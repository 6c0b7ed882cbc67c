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
//! Invariants: an order that was refused is followed by no more than two others within an hour, however often the server is
//! started meanwhile, as failures are [kept](super::kept), and an order counts as one from its beginning until it is known what
//! comes of it; nobody but a person, by a signal, has one made earlier, and nobody at all while the authority says that there were
//! too many. Whatever dates a certificate has that was issued, the next one is not ordered at once.

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
/// The wait when a certificate was issued and cannot be used. Let's Encrypt issues five for the same names in a week.
const USELESS: Duration = Duration::from_secs(34 * 60 * 60);
/// A certificate that is to be renewed within this time of being issued, or within a tenth of its own, is due already: its
/// authority's clock is not this machine's.
const FRESH: Duration = Duration::from_secs(5);
/// The least wait before such a one is renewed.
const AGAIN: Duration = Duration::from_secs(60);
/// So much later than this machine's clock a certificate may begin.
const SKEW: Duration = Duration::from_secs(5 * 60);
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
    /// Orders that failed since the last one that did not, without one that is under way.
    count: u32,
    /// From 0 to 1, by chance.
    chance: f64,
}

/// Orders that failed since the last one that did not, perhaps none, and the wait after the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Failures {
    count: u32,
    last: Timestamp,
    next: Timestamp,
    /// Whether the wait is the authority's.
    #[serde(default)]
    is_firm: bool,
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
    /// It issued a certificate that cannot be used.
    Useless,
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
            count: failures.map_or(0, |failures| failures.count),
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
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// An order begins. What it gives is to be kept before: should the server end meanwhile, that order was refused.
    pub(super) fn begun(&mut self, now: Timestamp, chance: f64) -> Failures {
        self.waits(REFUSED.after(self.count), now, chance)
    }

    /// There is a certificate. What it gives is to be kept: a wait, if it is due already.
    pub(super) fn issued(
        &mut self,
        validity: Validity,
        now: Timestamp,
        chance: f64,
    ) -> Option<Failures> {
        *self = Self::new(Some(validity), None, chance);
        let tenth = Duration::from_millis(u64::try_from(lifetime(validity) / 10).unwrap_or(0));
        if self.wanted() < Some(now + tenth.max(FRESH)) {
            self.failures = Some(Failures {
                count: 0,
                last: now,
                next: now + tenth.max(AGAIN),
                is_firm: false,
            });
        }
        self.failures
    }

    /// There is none.
    pub(super) fn failed(&mut self, failure: Failure, now: Timestamp, chance: f64) -> Failures {
        let before = self.count;
        let wait = match failure {
            Failure::Unreached | Failure::Forgotten => UNREACHED.after(before),
            Failure::Refused => REFUSED.after(before),
            Failure::Limited(told) => told.unwrap_or_default().clamp(LIMITED, LIMITED_MAX),
            Failure::Hopeless => HOPELESS,
            Failure::Useless => USELESS,
        };
        let failures = Failures {
            is_firm: matches!(failure, Failure::Limited(_)),
            ..self.waits(wait, now, chance)
        };
        self.failures = Some(failures);
        self.count = failures.count;
        failures
    }

    /// Somebody has changed something, and wants no wait.
    pub(super) fn hurried(&mut self) {
        let failures = self.failures.as_mut();
        if let Some(failures) = failures.filter(|failures| !failures.is_firm) {
            failures.next = failures.next.min(failures.last + HURRIED);
        }
    }

    /// One more failed, or will have.
    fn waits(&mut self, wait: Duration, now: Timestamp, chance: f64) -> Failures {
        let wait = wait + wait.mul_f64(chance / SPREAD_OF_WAITS);
        let failures = Failures {
            count: self.count.saturating_add(1),
            last: now,
            next: now + wait,
            is_firm: false,
        };
        self.failures = Some(failures);
        failures
    }

    /// When a new certificate is wanted; none means that it was all along.
    fn wanted(&self) -> Option<Timestamp> {
        let held = self.held?;
        let (from, lifetime) = (held.not_before.as_millisecond(), lifetime(held));
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

    /// Whether nobody may want it earlier.
    pub(super) fn is_firm(self) -> bool {
        self.is_firm
    }
}

/// Whether a certificate may take the place of the one that is used: not if it is the worse of the two by this machine's clock.
pub(super) fn may_replace(used: Option<Validity>, new: Validity, now: Timestamp) -> bool {
    let has_begun = |it: Validity, now: Timestamp| it.not_before <= now.to_jiff();
    let goes_on = |it: Validity| now.to_jiff() <= it.not_after;
    let is_used_well = used.is_some_and(|used| has_begun(used, now) && goes_on(used));
    !is_used_well || (has_begun(new, now + SKEW) && goes_on(new))
}

/// In milliseconds.
fn lifetime(validity: Validity) -> i64 {
    let (from, until) = (validity.not_before, validity.not_after);
    (until.as_millisecond() - from.as_millisecond()).max(0)
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
            Just(Failure::Useless),
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
            (Failure::Useless, [hours(34); 6]),
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
        assert_eq!(core.issued(days(60, 150), at(now), 0.0), None);
        assert_eq!(core.count(), 0);
        assert_eq!(core.next(), Some(at(120 * DAY_MS)));
    }

    #[test]
    fn an_order_that_is_cut_off_counts_once_and_the_next_start_waits() {
        let mut core = Core::new(None, None, 0.0);
        let kept = core.begun(at(0), 0.0);
        assert_eq!(core.count(), 0, "it may succeed yet");
        let mut restarted = Core::new(None, Some(kept), 0.0);
        assert_eq!(restarted.count(), 1);
        assert!(!restarted.is_due(at(5 * MINUTE_MS - 1)));
        assert!(restarted.is_due(at(5 * MINUTE_MS)));
        let now = 5 * MINUTE_MS;
        restarted.begun(at(now), 0.0);
        let failures = restarted.failed(Failure::Refused, at(now + 1), 0.0);
        assert_eq!(restarted.count(), 2, "not for its beginning and its end");
        assert_eq!(failures.next(), at(now + 1 + 15 * MINUTE_MS));
    }

    #[test]
    fn a_certificate_that_is_due_when_it_is_issued_is_waited_with_over_restarts() {
        let now = 1_000 * DAY_MS;
        for (validity, wait) in [
            (days(0, 90), 9 * DAY_MS),
            (days(940, 1_030), 9 * DAY_MS),
            (days(7, 7), MINUTE_MS),
        ] {
            let mut core = Core::new(None, None, 0.0);
            core.begun(at(now), 0.0);
            let kept = core.issued(validity, at(now), 0.0);
            assert_eq!(core.count(), 0);
            let core = Core::new(Some(validity), kept, 0.0);
            assert!(!core.is_due(at(now + wait - 1)), "{validity:?}");
            assert!(core.is_due(at(now + wait)), "{validity:?}");
        }
    }

    #[test]
    fn a_certificate_that_is_not_valid_takes_the_place_of_none_that_is() {
        let (now, good) = (at(50 * DAY_MS), days(0, 90));
        for (used, new, expected) in [
            (None, days(0, 10), true),
            (Some(good), days(49, 139), true),
            (Some(good), days(0, 10), false),
            (Some(good), days(51, 141), false),
            (Some(days(0, 40)), days(0, 10), true),
            (Some(days(60, 90)), days(51, 141), true),
        ] {
            assert_eq!(may_replace(used, new, now), expected, "{used:?} {new:?}");
        }
        let soon = at(51 * DAY_MS - 4 * MINUTE_MS);
        assert!(
            may_replace(Some(good), days(51, 141), soon),
            "a clock a little behind"
        );
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
    fn a_limit_of_the_authority_is_waited_out_by_a_person_too() {
        let told = Failure::Limited(Some(Duration::from_secs(2 * 3_600)));
        let mut core = Core::new(None, None, 0.0);
        let failures = core.failed(told, at(0), 0.0);
        core.hurried();
        let mut restarted = Core::new(None, Some(failures), 0.0);
        restarted.hurried();
        for core in [core, restarted] {
            assert!(!core.is_due(at(120 * MINUTE_MS - 1)));
            assert!(core.is_due(at(120 * MINUTE_MS)));
        }
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
        fn no_hour_has_more_than_three_refusals(
            chances in prop::collection::vec(0.0..1.0_f64, 40),
            // In the middle of the order, after it, or not at all.
            restarts in prop::collection::vec(0..3_u8, 40),
        ) {
            let mut core = Core::new(None, None, 0.0);
            let (mut now, mut orders) = (0_i64, Vec::new());
            for (chance, restart) in chances.into_iter().zip(restarts) {
                orders.push(now);
                let mut kept = core.begun(at(now), chance);
                if restart > 0 {
                    now += 1_000;
                    kept = core.failed(Failure::Refused, at(now), chance);
                }
                if restart < 2 {
                    core = Core::new(None, Some(kept), chance);
                }
                now = core.next().unwrap().as_millis();
                prop_assert!(core.is_due(at(now)));
            }
            for (step, begun) in orders.iter().enumerate() {
                let within = orders[step..].iter().filter(|order| *order - begun < 60 * MINUTE_MS);
                prop_assert!(within.count() <= 3);
            }
        }

        #[test]
        fn whatever_is_issued_nothing_is_ordered_at_once(
            (from, until) in (0..100_000_i64, 0..100_000_i64),
            (now, chance) in (0..100_000 * DAY_MS, 0.0..1.0_f64),
            is_new in any::<bool>(),
        ) {
            let now = if is_new { from * DAY_MS } else { now };
            let mut core = Core::new(None, None, 0.0);
            let kept = core.issued(days(from, until), at(now), chance);
            prop_assert!(core.next().unwrap().as_millis() >= now + 5_000);
            for core in [core, Core::new(Some(days(from, until)), kept, chance)] {
                prop_assert!(!core.is_due(at(now)));
                prop_assert!(!core.is_due(at(now + 4_999)));
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
