//! Calendar time that does not go back.
//!
//! Due times are calendar times, because they must survive restarts. When the calendar is set back by an
//! hour, everything that waits would wait an hour longer; so from then on, until the next start, time
//! is what it would have been. When it is set forward, what is due by then is due.

use std::sync::{Arc, Mutex};

use kiln_types::{Clock, Moment, Timestamp};

use super::plan::Now;

/// The time by which events are due.
pub(super) struct Calendar {
    clock: Arc<dyn Clock>,
    /// When the calendar last showed a time that was not behind, and which.
    last: Mutex<(Moment, Timestamp)>,
}

impl Calendar {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let last = Mutex::new((clock.now(), clock.timestamp()));
        Self { clock, last }
    }

    /// Both times: that by which events are due is never earlier than it was before.
    pub(super) fn now(&self) -> Now {
        let mut last = self.last.lock().expect("no holder panics");
        // Read by one after the other: who read before another is never put down after them.
        let (moment, shown) = (self.clock.now(), self.clock.timestamp());
        let passed = last.1 + moment.since(last.0);
        if shown < passed {
            // The old measure stays: from call to call the parts of a millisecond would be lost.
            return Now { due: passed, shown };
        }
        *last = (moment, shown);
        Now { due: shown, shown }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::Duration;

    use super::*;

    /// Both times are set by the test.
    #[derive(Default)]
    struct Set {
        passed_us: AtomicI64,
        shown_ms: AtomicI64,
    }

    impl Clock for Set {
        fn now(&self) -> Moment {
            let us = self.passed_us.load(Ordering::Relaxed);
            Moment::after_start(Duration::from_micros(us as u64))
        }

        fn timestamp(&self) -> Timestamp {
            Timestamp::from_millis(self.shown_ms.load(Ordering::Relaxed))
        }
    }

    #[test]
    fn a_calendar_that_is_set_back_makes_nothing_wait_longer() {
        let clock = Arc::new(Set::default());
        let calendar = Calendar::new(clock.clone());
        let set = |passed: i64, shown| {
            clock.passed_us.store(passed * 1_000, Ordering::Relaxed);
            clock.shown_ms.store(shown, Ordering::Relaxed);
            calendar.now().due.as_millis()
        };
        assert_eq!(set(10, 1_000_010), 1_000_010);
        assert_eq!(set(20, 500_000), 1_000_020, "set back: time goes on");
        assert_eq!(set(120, 500_100), 1_000_120);
        assert_eq!(calendar.now().shown, Timestamp::from_millis(500_100));
        assert_eq!(set(130, 3_000_000), 3_000_000, "set forward: it is later");
    }

    #[test]
    fn time_goes_on_after_a_set_back_however_often_it_is_asked_for() {
        let clock = Arc::new(Set::default());
        clock.shown_ms.store(1_000_000, Ordering::Relaxed);
        let calendar = Calendar::new(clock.clone());
        clock.shown_ms.store(500_000, Ordering::Relaxed);
        for _ in 0..10_000 {
            clock.passed_us.fetch_add(100, Ordering::Relaxed);
            calendar.now();
        }
        assert_eq!(calendar.now().due.as_millis(), 1_001_000);
    }
}
