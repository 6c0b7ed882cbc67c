//! The hybrid histogram: an instance is kept for as long as the function's own pauses say.
//!
//! After Shahrad et al., "Serverless in the Wild" (ATC 2020). When the histogram of a function's
//! pauses shows a pattern, nothing is kept before the head of the histogram, one instance is started
//! ahead of it, and kept until the tail. When most pauses are out of range and alike, the same is
//! done around the next one foretold; when nothing is known, an instance is kept for a fixed time.
//!
//! Different from the paper:
//! - pauses are those of each level of concurrency, not only of the function as a whole, so that a
//!   function that is never quite idle has a histogram too;
//! - an instance that is started ahead is kept from the head to the tail, not for the tail's length;
//! - long pauses are foretold by their moving mean instead of an ARIMA model, and only when regular;
//! - an instance stays for a minute in any case: a pause that is over in no time costs a cold start
//!   on the caller's side and hardly any memory on this one.

use std::time::Duration;

use kiln_types::Moment;

use super::{Ahead, Habit, Idle, Policy, Window};

/// Pauses that are needed before they are believed.
const GAPS_MIN: u32 = 4;
/// An instance is kept this long in any case.
const KEEP_MIN: Duration = Duration::from_secs(60);
/// Starting ahead is not worth it when the instance would be gone for less than this.
const ABSENCE_MIN: Duration = Duration::from_secs(120);

/// Learns the pauses of a function.
pub(super) struct Histogram {
    /// How long an instance is kept while the pauses say nothing.
    pub(super) unknown: Duration,
}

impl Histogram {
    /// Nobody comes before `head` nor after `tail`: both with a margin.
    fn between(head: Duration, tail: Duration) -> Window {
        let absent = head.saturating_sub(KEEP_MIN);
        if absent < ABSENCE_MIN {
            return Window {
                keep: tail.max(KEEP_MIN),
                ahead: None,
            };
        }
        Window {
            keep: KEEP_MIN,
            ahead: Some(Ahead {
                after: head,
                keep: (tail - head).max(KEEP_MIN),
            }),
        }
    }
}

impl Policy for Histogram {
    fn requested(&self, habit: &mut Habit, level: u32, now: Moment) {
        habit.rose_to(level, now);
    }

    fn finished(&self, habit: &mut Habit, level: u32, now: Moment) {
        habit.fell_to(level, now);
    }

    fn window(&self, habit: &Habit) -> Window {
        let unknown = Window {
            keep: self.unknown,
            ahead: None,
        };
        let Some(gaps) = habit.gaps() else {
            return unknown;
        };
        if gaps.are_mostly_long() {
            return match gaps.next_long() {
                Some(next) => Self::between(next * 17 / 20, next * 23 / 20),
                None => unknown,
            };
        }
        if gaps.count() < GAPS_MIN || !gaps.are_concentrated() {
            return unknown;
        }
        Self::between(gaps.head() * 9 / 10, gaps.tail() * 11 / 10)
    }

    fn rank(&self, _habit: &Habit, idle: Idle) -> u64 {
        idle.turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNKNOWN: Duration = Duration::from_secs(600);

    fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(60 * minutes)
    }

    /// The window of a function that was called after pauses of so many minutes.
    fn window(pauses: &[u64]) -> Window {
        let policy = Histogram { unknown: UNKNOWN };
        let (mut habit, mut now) = (Habit::default(), Moment::default());
        policy.requested(&mut habit, 1, now);
        for pause in pauses {
            policy.finished(&mut habit, 0, now);
            now = now + minutes(*pause);
            policy.requested(&mut habit, 1, now);
        }
        policy.window(&habit)
    }

    fn kept(keep: Duration) -> Window {
        Window { keep, ahead: None }
    }

    #[test]
    fn function_without_a_past_is_kept_for_the_fixed_time() {
        assert_eq!(window(&[]), kept(UNKNOWN));
        assert_eq!(window(&[5, 5]), kept(UNKNOWN));
    }

    #[test]
    fn function_without_a_pattern_is_kept_for_the_fixed_time() {
        let all: Vec<u64> = (0..240).collect();
        assert_eq!(window(&all), kept(UNKNOWN));
    }

    #[test]
    fn busy_function_is_kept_until_its_tail() {
        assert_eq!(window(&[0; 20]), kept(Duration::from_secs(66)));
        assert_eq!(
            window(&[0, 1, 0, 1, 2, 1, 0, 0]),
            kept(Duration::from_secs(198))
        );
    }

    #[test]
    fn instance_of_a_periodic_function_is_started_ahead_of_the_next_request() {
        let expected = Window {
            keep: KEEP_MIN,
            ahead: Some(Ahead {
                after: minutes(27),
                keep: minutes(31) * 11 / 10 - minutes(27),
            }),
        };
        assert_eq!(window(&[30; 8]), expected);
    }

    #[test]
    fn pauses_out_of_range_are_foretold_when_they_are_regular() {
        let day = 24 * 60;
        let expected = Window {
            keep: KEEP_MIN,
            ahead: Some(Ahead {
                after: minutes(day) * 17 / 20,
                keep: minutes(day) * 6 / 20,
            }),
        };
        assert_eq!(window(&[day; 3]), expected);
        assert_eq!(window(&[300, 1_000, 2_000]), kept(UNKNOWN));
    }
}
