//! Greedy dual size frequency: an instance is worth what it saves per MiB it holds.
//!
//! After FaasCache (Fuerst and Sharma, ASPLOS 2021): an idle instance is an entry of a cache, a cold
//! start is a miss, its init is the cost of the miss. The rank is
//! `inflation + frequency x cost / size`. The inflation is the rank of the last victim, so that what
//! has not been used for long falls behind whatever it was worth once (Cherkasova 1998). Nothing
//! ends while there is room, but for a ceiling that returns memory of functions nobody calls.

use std::time::Duration;

use kiln_types::Moment;

use super::{Habit, Idle, Policy, Window};

/// Learns how often a function is called and how long its init takes.
pub(super) struct GreedyDual {
    /// How long an idle instance is kept at most.
    pub(super) keep_max: Duration,
}

impl Policy for GreedyDual {
    fn requested(&self, habit: &mut Habit, _level: u32, _now: Moment) {
        habit.count();
    }

    fn finished(&self, _habit: &mut Habit, _level: u32, _now: Moment) {}

    fn window(&self, _habit: &Habit) -> Window {
        Window {
            keep: self.keep_max,
            ahead: None,
        }
    }

    fn rank(&self, habit: &Habit, idle: Idle) -> u64 {
        let worth = worth(habit.requests(), habit, idle);
        idle.inflation.saturating_add(worth)
    }
}

/// What an instance saves per MiB.
pub(super) fn worth(frequency: u64, habit: &Habit, idle: Idle) -> u64 {
    let cost_us = habit.init().as_micros() as u64;
    frequency.saturating_mul(cost_us) / idle.memory_mb.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: GreedyDual = GreedyDual {
        keep_max: Duration::from_secs(3_600),
    };

    fn rank(requests: u32, init_ms: u64, memory_mb: u64, inflation: u64) -> u64 {
        let mut habit = Habit::default();
        habit.learn(Duration::from_millis(init_ms));
        for _ in 0..requests {
            POLICY.requested(&mut habit, 1, Moment::default());
        }
        let idle = Idle {
            memory_mb,
            level: 1,
            turn: 0,
            inflation,
        };
        POLICY.rank(&habit, idle)
    }

    #[test]
    fn frequent_slow_to_start_and_small_functions_are_worth_more() {
        let base = rank(10, 100, 256, 0);
        assert!(rank(20, 100, 256, 0) > base);
        assert!(rank(10, 200, 256, 0) > base);
        assert!(rank(10, 100, 128, 0) > base);
    }

    #[test]
    fn what_was_used_after_an_eviction_is_worth_more_than_it_was_before() {
        let victim = rank(10, 100, 256, 0);
        assert!(rank(1, 100, 256, victim) > victim);
    }

    #[test]
    fn a_function_whose_init_is_unknown_is_worth_something() {
        let mut habit = Habit::default();
        POLICY.requested(&mut habit, 1, Moment::default());
        let idle = Idle {
            memory_mb: 128,
            level: 1,
            turn: 0,
            inflation: 0,
        };
        assert!(POLICY.rank(&habit, idle) > 0);
    }
}
