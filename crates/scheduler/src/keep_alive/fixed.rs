//! Every idle instance is kept for the same time; the least recently used end first.

use std::time::Duration;

use kiln_types::Moment;

use super::{Habit, Idle, Policy, Window};

/// Learns nothing.
pub(super) struct Fixed {
    pub(super) keep: Duration,
}

impl Policy for Fixed {
    fn requested(&self, _habit: &mut Habit, _level: u32, _now: Moment) {}

    fn finished(&self, _habit: &mut Habit, _level: u32, _now: Moment) {}

    fn window(&self, _habit: &Habit) -> Window {
        Window {
            keep: self.keep,
            ahead: None,
        }
    }

    fn rank(&self, _habit: &Habit, idle: Idle) -> u64 {
        idle.turn
    }
}
