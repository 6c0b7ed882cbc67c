//! The histogram says how long an instance is kept, greedy dual which ends first.

use kiln_types::Moment;

use super::greedy_dual::GreedyDual;
use super::histogram::Histogram;
use super::{Habit, Idle, Policy, Window};

/// Learns what both learn.
pub(super) struct Adaptive {
    pub(super) histogram: Histogram,
}

impl Policy for Adaptive {
    fn requested(&self, habit: &mut Habit, level: u32, now: Moment) {
        self.histogram.requested(habit, level, now);
        GreedyDual.requested(habit, level, now);
    }

    fn finished(&self, habit: &mut Habit, level: u32, now: Moment) {
        self.histogram.finished(habit, level, now);
    }

    fn window(&self, habit: &Habit) -> Window {
        self.histogram.window(habit)
    }

    fn rank(&self, habit: &Habit, idle: Idle) -> u64 {
        GreedyDual.rank(habit, idle)
    }
}
