//! Where an event lies: its function's lane, when it is due, and a number.
//!
//! ```text
//! 62        49 48                            12 11        0
//! ┌───────────┬────────────────────────────────┬───────────┐
//! │ lane: 14  │ due: 37, in 10 ms since 2026   │ number:12 │
//! └───────────┴────────────────────────────────┴───────────┘
//! ```
//!
//! 16,384 functions may have events at once; 37 bits of 10 ms last until 2069; 4,096 events of a
//! function fit in 10 ms, after which the next ones take the following 10 ms.

use kiln_types::Timestamp;

const NUMBER_BITS: u32 = 12;
const DUE_BITS: u32 = 37;
const LANE_BITS: u32 = 14;
/// 2026-01-01T00:00:00Z.
const EPOCH_MS: i64 = 1_767_225_600_000;
const TICK_MS: i64 = 10;
const DUE_MAX: i64 = (1 << DUE_BITS) - 1;

/// Names an event for as long as it waits or runs; it gets another one when it must wait again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub(crate) i64);

/// A function's place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane(pub(crate) u16);

/// The lanes there are.
pub(crate) const LANES_MAX: u16 = 1 << LANE_BITS;

impl Lane {
    /// The place with this number, of which there are 16,384.
    pub fn new(number: u16) -> Self {
        Self(number % LANES_MAX)
    }

    /// The first key of an event of this lane that is due at a time.
    pub fn key(self, due: Timestamp) -> Key {
        Key(self.keys_at(due).0)
    }

    /// The keys that an event of this lane can have.
    pub(crate) fn keys(self) -> (i64, i64) {
        let first = i64::from(self.0) << (DUE_BITS + NUMBER_BITS);
        (first, first + ((1 << (DUE_BITS + NUMBER_BITS)) - 1))
    }

    /// The last key of an event of this lane that is due at a time.
    pub(crate) fn due_by(self, now: Timestamp) -> i64 {
        let ticks = ticks(now.as_millis(), false);
        self.keys().0 + (ticks << NUMBER_BITS) + ((1 << NUMBER_BITS) - 1)
    }

    /// The keys of events that are due in the same 10 ms, from `due` on.
    pub(crate) fn keys_at(self, due: Timestamp) -> (i64, i64) {
        let first = self.keys().0 + (ticks(due.as_millis(), true) << NUMBER_BITS);
        (first, first + (1 << NUMBER_BITS) - 1)
    }
}

impl Key {
    /// Its function's place.
    pub fn lane(self) -> Lane {
        Lane((self.0 >> (DUE_BITS + NUMBER_BITS)) as u16)
    }

    /// When the event is due, to 10 ms.
    pub fn due(self) -> Timestamp {
        let ticks = (self.0 >> NUMBER_BITS) & DUE_MAX;
        Timestamp::from_millis(EPOCH_MS + ticks * TICK_MS)
    }
}

/// Whole steps of 10 ms since 2026; before that zero.
fn ticks(ms: i64, up: bool) -> i64 {
    let since = ms.saturating_sub(EPOCH_MS).max(0);
    let rest = i64::from(up && since % TICK_MS != 0);
    (since / TICK_MS + rest).min(DUE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(EPOCH_MS + ms)
    }

    #[test]
    fn keys_are_ordered_by_lane_first_and_time_second() {
        let (one, two) = (Lane(1), Lane(2));
        assert!(one.keys_at(at(1_000)).1 < one.keys_at(at(1_001)).0);
        assert!(one.keys().1 < two.keys().0);
        assert!(Lane(LANES_MAX - 1).keys().1 > 0, "the sign is never used");
        let key = Key(two.keys_at(at(1_000)).0 + 5);
        assert_eq!((key.lane(), key.due()), (two, at(1_000)));
    }

    #[test]
    fn an_event_is_never_due_before_its_time() {
        let lane = Lane(7);
        for ms in [20, 21, 29, 30, 31, 123_456_789] {
            let (first, _) = lane.keys_at(at(ms));
            assert!(Key(first).due() >= at(ms));
            assert!(Key(first).due().as_millis() - at(ms).as_millis() < TICK_MS);
            assert!(first <= lane.due_by(Key(first).due()));
            assert!(first > lane.due_by(Timestamp::from_millis(at(ms).as_millis() - 10)));
        }
    }

    #[test]
    fn times_out_of_range_are_the_first_or_the_last() {
        let early = Key(Lane(0).keys_at(Timestamp::from_millis(0)).0);
        assert_eq!(early.due(), at(0));
        let late = Key(Lane(3).keys_at(Timestamp::from_millis(i64::MAX)).0);
        assert_eq!(late.lane(), Lane(3));
    }
}
