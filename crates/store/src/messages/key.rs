//! Where a message lies: a lane, and its number in the queue.
//!
//! ```text
//! 62                  41 40                                        0
//! ┌─────────────────────┬──────────────────────────────────────────┐
//! │ lane: 22            │ number: 41                               │
//! └─────────────────────┴──────────────────────────────────────────┘
//! ```
//!
//! A standard queue has one lane, a FIFO queue one for each group with messages: 4,194,304 of both
//! together. Numbers are a queue's own and never used again: 20,000 a second last for three years and a
//! half.

/// Bits of a message's number in its key; those before are its lane's.
pub(crate) const NUMBER_BITS: u32 = 41;
const LANE_BITS: u32 = 22;

/// The lanes there are.
pub(super) const LANES_MAX: u32 = 1 << LANE_BITS;
/// The numbers of a queue.
pub(super) const NUMBER_MAX: i64 = (1 << NUMBER_BITS) - 1;

/// Names a message as long as it is in its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key(pub(super) i64);

/// A standard queue's messages, or those of a group of a FIFO queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Lane(pub(super) u32);

impl Lane {
    /// The key of a message.
    pub(super) fn key(self, number: i64) -> Key {
        Key((i64::from(self.0) << NUMBER_BITS) + number)
    }

    /// The keys that a message of this lane can have.
    pub(super) fn keys(self) -> (i64, i64) {
        (self.key(0).0, self.key(NUMBER_MAX).0)
    }
}

impl Key {
    /// Where it lies.
    pub(super) fn lane(self) -> Lane {
        Lane((self.0 >> NUMBER_BITS) as u32)
    }

    /// Its number in its queue.
    pub(super) fn number(self) -> i64 {
        self.0 & NUMBER_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_ordered_by_lane_first_and_number_second() {
        let last = Lane(LANES_MAX - 1).key(NUMBER_MAX);
        assert!(last.0 > 0, "the sign is never used");
        assert_eq!(
            (last.lane(), last.number()),
            (Lane(LANES_MAX - 1), NUMBER_MAX)
        );
        assert!(Lane(1).key(NUMBER_MAX) < Lane(2).key(0));
        assert!(Lane(1).key(1) < Lane(1).key(2));
    }
}
