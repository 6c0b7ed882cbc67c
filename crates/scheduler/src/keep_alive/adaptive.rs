//! Kept while there is room, except where the next request is foretold; ended by what each further
//! instance of a function is worth.
//!
//! Greedy dual looks at a function as a whole: while one of its instances is busy all the time, the
//! tenth is worth as much, though it is used once a day. Here the frequency is that of the instance's own
//! level of concurrency, per idle time, and old uses fade. The rest is greedy dual's: what it saves
//! per MiB, and the inflation that makes old worth fall behind.
//!
//! Memory that nobody else needs is not saved, with one exception: when the histogram knows the next
//! request to be far, the instance is ended and another started ahead of that.

use std::time::Duration;

use kiln_types::Moment;

use super::greedy_dual::worth;
use super::histogram::Histogram;
use super::{Habit, Idle, Policy, Window};

/// Learns what the histogram learns.
pub(super) struct Adaptive {
    pub(super) histogram: Histogram,
    /// How long an idle instance is kept at most.
    pub(super) keep_max: Duration,
}

impl Policy for Adaptive {
    fn requested(&self, habit: &mut Habit, level: u32, now: Moment) {
        self.histogram.requested(habit, level, now);
    }

    fn finished(&self, habit: &mut Habit, level: u32, now: Moment) {
        self.histogram.finished(habit, level, now);
    }

    fn window(&self, habit: &Habit) -> Window {
        let window = self.histogram.window(habit);
        match window.ahead {
            Some(_) => window,
            None => Window {
                keep: self.keep_max,
                ahead: None,
            },
        }
    }

    fn rank(&self, habit: &Habit, idle: Idle) -> u64 {
        let worth = worth(habit.uses(idle.level), habit, idle);
        idle.inflation.saturating_add(worth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP_MAX: Duration = Duration::from_secs(3_600);

    const POLICY: Adaptive = Adaptive {
        histogram: Histogram {
            unknown: Duration::from_secs(600),
        },
        keep_max: KEEP_MAX,
    };

    /// A function that was called every so many minutes, every fourth time twice at once.
    fn habit(minutes: u64) -> Habit {
        let (mut habit, mut now) = (Habit::default(), Moment::default());
        for no in 0..40 {
            let most = if no % 4 == 0 { 2 } else { 1 };
            for level in 1..=most {
                POLICY.requested(&mut habit, level, now);
            }
            for level in (0..most).rev() {
                POLICY.finished(&mut habit, level, now);
            }
            now = now + Duration::from_secs(60 * minutes);
        }
        habit
    }

    fn rank(habit: &Habit, level: u32, inflation: u64) -> u64 {
        let idle = Idle {
            memory_mb: 128,
            level,
            turn: 0,
            inflation,
        };
        POLICY.rank(habit, idle)
    }

    #[test]
    fn instance_that_is_used_less_often_is_worth_less() {
        let habit = habit(10);
        assert!(rank(&habit, 1, 0) > rank(&habit, 2, 0));
        assert!(rank(&habit, 2, 0) > rank(&habit, 40, 0));
        assert!(
            rank(&habit, 40, 7) == 7,
            "what was never needed is worth nothing"
        );
    }

    #[test]
    fn function_called_more_often_is_worth_more() {
        assert!(rank(&habit(10), 1, 0) > rank(&habit(60), 1, 0));
    }

    #[test]
    fn instance_is_kept_while_there_is_room_unless_the_next_request_is_far() {
        let kept = Window {
            keep: KEEP_MAX,
            ahead: None,
        };
        assert_eq!(POLICY.window(&Habit::default()), kept);
        assert_eq!(POLICY.window(&habit(1)), kept);
        let timer = POLICY.window(&habit(30));
        assert!(timer.ahead.is_some() && timer.keep < Duration::from_secs(120));
    }
}
