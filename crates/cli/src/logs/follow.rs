//! Shows each event of a polled log once.
//!
//! Events of several instances arrive out of order, so a poll reads again what was logged shortly
//! before the newest event, and what was shown already is dropped by its id.

use std::collections::HashMap;

use crate::api::LogEvent;

/// How late an event may arrive after newer ones and still be shown.
const LATE_MS_MAX: i64 = 10_000;

pub(super) struct Follower {
    start_ms: i64,
    newest_ms: i64,
    /// Id and time of what was shown and could be read again.
    shown: HashMap<String, i64>,
}

impl Follower {
    pub(super) fn new(start_ms: i64) -> Self {
        Self {
            start_ms,
            newest_ms: start_ms,
            shown: HashMap::new(),
        }
    }

    /// From when the next poll must read.
    pub(super) fn since_ms(&self) -> i64 {
        self.newest_ms
            .saturating_sub(LATE_MS_MAX)
            .max(self.start_ms)
    }

    /// The events that were not shown yet, oldest first.
    pub(super) fn take(&mut self, mut events: Vec<LogEvent>) -> Vec<LogEvent> {
        events.retain(|event| !self.shown.contains_key(&event.event_id));
        events.sort_by_key(|event| event.timestamp);
        for event in &events {
            self.newest_ms = self.newest_ms.max(event.timestamp);
            self.shown.insert(event.event_id.clone(), event.timestamp);
        }
        let since_ms = self.since_ms();
        self.shown.retain(|_, timestamp| *timestamp >= since_ms);
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, timestamp: i64) -> LogEvent {
        LogEvent {
            event_id: id.to_owned(),
            log_stream_name: "s".to_owned(),
            timestamp,
            message: id.to_owned(),
        }
    }

    fn ids(events: &[LogEvent]) -> Vec<&str> {
        events.iter().map(|event| event.event_id.as_str()).collect()
    }

    #[test]
    fn event_is_shown_once_even_when_it_is_read_twice() {
        let mut follower = Follower::new(0);
        assert_eq!(
            ids(&follower.take(vec![event("a", 100), event("b", 200)])),
            ["a", "b"]
        );
        assert_eq!(
            ids(&follower.take(vec![event("b", 200), event("c", 200)])),
            ["c"]
        );
    }

    #[test]
    fn late_event_is_shown_after_newer_ones() {
        let mut follower = Follower::new(0);
        follower.take(vec![event("new", 20_000)]);
        assert!(follower.since_ms() <= 15_000);
        assert_eq!(
            ids(&follower.take(vec![event("late", 15_000), event("new", 20_000)])),
            ["late"]
        );
    }

    #[test]
    fn memory_holds_only_what_could_be_read_again() {
        let mut follower = Follower::new(0);
        for second in 0..1_000 {
            follower.take(vec![event(&second.to_string(), second * 1_000)]);
        }
        assert!(follower.shown.len() <= 11, "{}", follower.shown.len());
        assert_eq!(follower.since_ms(), 989_000);
    }

    #[test]
    fn reading_never_starts_before_the_time_asked_for() {
        let mut follower = Follower::new(5_000);
        follower.take(vec![event("a", 6_000)]);
        assert_eq!(follower.since_ms(), 5_000);
    }
}
