//! What is remembered of how a function is called.

use std::time::Duration;

use kiln_types::Moment;

use super::gaps::Gaps;

/// Levels of concurrency whose pauses are learnt from. What goes beyond is a burst that no instance
/// is kept for.
const LEVELS_MAX: usize = 32;

/// What one use of a level counts.
const USE: u64 = 256;
/// More uses are as good as so many.
const USES_MAX: u64 = USE << 16;
/// After so much idle time a use counts half.
const HALF: Duration = Duration::from_secs(3_600);

/// The init time of a function that has not been measured.
const INIT_UNKNOWN: Duration = Duration::from_millis(100);

/// How a function is called. It takes less than 2 KB, whatever happens, and nothing until a policy
/// learns.
#[derive(Debug, Default)]
pub struct Habit {
    /// Requests since the function last had no instance.
    requests: u64,
    init: Option<Duration>,
    /// By level of concurrency.
    levels: Vec<Level>,
    gaps: Option<Box<Gaps>>,
}

/// A level of concurrency: what the instance that is used last of so many goes through.
#[derive(Debug, Clone, Copy)]
struct Level {
    /// When the function last fell below it.
    fell_below: Moment,
    /// How often it was needed, each time with less weight the more idle time has passed since.
    uses: u64,
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
        if level >= self.levels.len() {
            let new = Level {
                fell_below: now,
                uses: USE,
            };
            self.levels.resize(level + 1, new);
        }
        self.levels[level].fell_below = now;
    }

    /// Takes note of a request that brings the function to `level` in flight, and of for how long
    /// that level was not needed: how long its instance would have been idle.
    pub(super) fn rose_to(&mut self, level: u32, now: Moment) {
        let at = level.checked_sub(1);
        let Some(level) = at.and_then(|at| self.levels.get_mut(at as usize)) else {
            return;
        };
        let gap = now.since(level.fell_below);
        level.used_after(gap);
        self.gaps.get_or_insert_default().add(gap);
    }

    /// How often a level was needed lately, per idle time: one use counts [`USE`]. Nothing for a
    /// level that no request has left yet.
    pub(super) fn uses(&self, level: u32) -> u64 {
        let at = level.checked_sub(1);
        let level = at.and_then(|at| self.levels.get(at as usize));
        level.map_or(0, |level| level.uses)
    }

    /// The pauses between its invocations, when there was one.
    pub(super) fn gaps(&self) -> Option<&Gaps> {
        self.gaps.as_deref()
    }
}

impl Level {
    /// Takes note of a use after so much idle time.
    fn used_after(&mut self, gap: Duration) {
        let (half, gap) = (HALF.as_millis() as u64, gap.as_millis() as u64);
        self.uses = (self.uses * half / (half + gap) + USE).min(USES_MAX);
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
    fn uses_of_a_level_are_counted_and_fade_with_idle_time() {
        let mut habit = Habit::default();
        assert_eq!(habit.uses(1), 0);
        habit.fell_to(1, at(0));
        habit.fell_to(0, at(0));
        assert_eq!((habit.uses(1), habit.uses(2), habit.uses(3)), (USE, USE, 0));
        habit.rose_to(1, at(0));
        assert_eq!((habit.uses(1), habit.uses(2)), (2 * USE, USE));
        habit.fell_to(0, at(0));
        habit.rose_to(1, at(0) + HALF);
        assert_eq!(habit.uses(1), 2 * USE, "two counted half, and one more");
        for _ in 0..100_000 {
            habit.rose_to(2, at(0));
        }
        assert_eq!(habit.uses(2), USES_MAX);
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
        assert!(habit.levels.capacity() <= 2 * LEVELS_MAX);
        let bytes = size_of::<Habit>() + size_of::<Gaps>() + LEVELS_MAX * size_of::<Level>();
        assert!(bytes < 2_048, "{bytes}");
    }
}
