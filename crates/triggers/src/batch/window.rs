//! Windows of time over which a function keeps a state: from each batch to the next, and then once more with no
//! records, when the window has ended.
//!
//! A record belongs to the window in which it happened. One that comes after its window has ended belongs to the
//! next: a window that was told to be over stays so.

use std::time::Duration;

use bytes::Bytes;
use kiln_types::Timestamp;

/// The largest state that a window goes on with. A larger one ends it early (developer guide, "Tumbling windows").
const STATE_BYTES_MAX: usize = 1_024 * 1_024;

/// A window that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// The state, a JSON object.
    pub(super) state: Bytes,
    /// Its first record's number: until the window ends, the source may not move past it.
    pub(super) first: u64,
    /// Whether it ends although its time has not come.
    pub(super) is_early: bool,
}

/// What a batch is of its window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// When the window begins.
    pub(crate) start: Timestamp,
    /// When it ends.
    pub(crate) end: Timestamp,
    /// What the batch before left.
    pub(crate) state: Bytes,
    /// Whether it is the last of its window.
    pub(crate) is_final: bool,
    /// Whether the window ends before its time.
    pub(crate) is_early: bool,
}

impl Window {
    /// The window of a record, and no earlier one than `floor`.
    pub(super) fn of(created: Timestamp, floor: Timestamp, length: Duration, first: u64) -> Self {
        let start = start_of(created, length).max(floor);
        Self {
            start,
            end: start + length,
            state: Bytes::from_static(b"{}"),
            first,
            is_early: false,
        }
    }

    /// Whether a record belongs to it, late ones included.
    pub(super) fn has(&self, created: Timestamp) -> bool {
        created < self.end
    }

    /// Takes the state that a batch left.
    pub(super) fn go_on_with(&mut self, state: Bytes) {
        self.is_early = state.len() > STATE_BYTES_MAX;
        self.state = state;
    }

    pub(super) fn part(&self, is_final: bool) -> Part {
        Part {
            start: self.start,
            end: self.end,
            state: self.state.clone(),
            is_final,
            is_early: is_final && self.is_early,
        }
    }
}

fn start_of(created: Timestamp, length: Duration) -> Timestamp {
    let length_ms = i64::try_from(length.as_millis()).unwrap_or(i64::MAX).max(1);
    let into_ms = created.as_millis().rem_euclid(length_ms);
    Timestamp::from_millis(created.as_millis() - into_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(10);

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn windows_begin_at_whole_multiples_of_their_length() {
        let bounds = |ms| {
            let window = Window::of(at(ms), at(0), LENGTH, 0);
            (window.start.as_millis(), window.end.as_millis())
        };
        assert_eq!(bounds(0), (0, 10_000));
        assert_eq!(bounds(9_999), (0, 10_000));
        assert_eq!(bounds(10_000), (10_000, 20_000));
    }

    #[test]
    fn what_comes_late_belongs_to_the_next_window() {
        let window = Window::of(at(5_000), at(10_000), LENGTH, 0);
        assert_eq!(window.start, at(10_000));
        assert!(window.has(at(5_000)) && window.has(at(19_999)) && !window.has(at(20_000)));
    }

    #[test]
    fn a_state_that_is_too_large_ends_its_window() {
        let mut window = Window::of(at(0), at(0), LENGTH, 0);
        window.go_on_with(vec![b' '; STATE_BYTES_MAX].into());
        assert!(!window.part(true).is_early);
        window.go_on_with(vec![b' '; STATE_BYTES_MAX + 1].into());
        assert!(window.part(true).is_early);
    }
}
