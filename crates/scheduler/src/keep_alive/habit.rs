//! What is remembered of how a function is called.

use std::time::Duration;

use kiln_types::Moment;

use super::gaps::Gaps;

/// Levels of concurrency whose pauses are learnt from. What goes beyond is a burst that no instance
/// is kept for.
const LEVELS_MAX: usize = 32;

/// The init time of a function that has not been measured.
const INIT_UNKNOWN: Duration = Duration::from_millis(100);

/// How a function is called. It takes less than 1.5 KB, whatever happens, and nothing until a policy
/// learns.
#[derive(Debug, Default)]
pub struct Habit {
    /// Requests since the function last had no instance.
    requests: u64,
    init: Option<Duration>,
    /// By level of concurrency: when the function last fell below it.
    fell_below: Vec<Moment>,
    gaps: Option<Box<Gaps>>,
}

impl Habit {
    /// Counts a request.
    pub(super) fn count(&mut self) {
        self.requests += 1;
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests
    }

    /// How long init takes.
    pub(crate) fn init(&self) -> Duration {
        self.init.unwrap_or(INIT_UNKNOWN)
    }

    /// Takes note of an init, giving the past three quarters of the weight.
    pub(crate) fn learn(&mut self, init: Duration) {
        self.init = Some(self.init.map_or(init, |past| (past * 3 + init) / 4));
    }

    /// The function has no instance any more: how often it was called before does not say how
    /// often it will be.
    pub(crate) fn forget_requests(&mut self) {
        self.requests = 0;
    }

    /// Takes note that a request has ended, which left `level` in flight.
    pub(super) fn fell_to(&mut self, level: u32, now: Moment) {
        let level = level as usize;
        if level >= LEVELS_MAX {
            return;
        }
        if level >= self.fell_below.len() {
            self.fell_below.resize(level + 1, now);
        }
        self.fell_below[level] = now;
    }

    /// Takes note of a request that brings the function to `level` in flight, and of for how long
    /// that level was not needed: how long its instance would have been idle.
    pub(super) fn rose_to(&mut self, level: u32, now: Moment) {
        let fell = level
            .checked_sub(1)
            .and_then(|at| self.fell_below.get(at as usize));
        if let Some(fell) = fell {
            let gap = now.since(*fell);
            self.gaps.get_or_insert_default().add(gap);
        }
    }

    /// The pauses between its invocations, when there was one.
    pub(super) fn gaps(&self) -> Option<&Gaps> {
        self.gaps.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    #[test]
    fn pause_of_a_level_is_how_long_its_instance_would_be_idle() {
        let mut habit = Habit::default();
        habit.rose_to(1, at(0));
        habit.rose_to(2, at(10));
        assert!(habit.gaps().is_none(), "nothing was idle yet");
        habit.fell_to(1, at(20));
        habit.fell_to(0, at(30));
        habit.rose_to(1, at(150));
        let gaps = habit.gaps().unwrap();
        assert_eq!((gaps.count(), gaps.head()), (1, Duration::from_secs(120)));
        habit.rose_to(2, at(380));
        let gaps = habit.gaps().unwrap();
        assert_eq!((gaps.count(), gaps.tail()), (2, Duration::from_secs(420)));
    }

    #[test]
    fn memory_of_a_habit_is_bounded() {
        let mut habit = Habit::default();
        for level in (0..10_000).rev() {
            habit.fell_to(level, at(u64::from(level)));
        }
        for level in 1..10_000 {
            habit.rose_to(level, at(20_000));
        }
        assert!(habit.fell_below.capacity() <= 2 * LEVELS_MAX);
        let bytes = size_of::<Habit>() + size_of::<Gaps>() + LEVELS_MAX * size_of::<Moment>();
        assert!(bytes < 1_536, "{bytes}");
    }
}
