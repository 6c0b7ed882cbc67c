//! Where an event lies: its function's lane, when it is due, and a number.
//!
//! ```text
//! 62        49 48                             9 8         0
//! ┌───────────┬────────────────────────────────┬───────────┐
//! │ lane: 14  │ due: 40, in ms since 2026      │ number: 9 │
//! └───────────┴────────────────────────────────┴───────────┘
//! ```
//!
//! 16,384 functions may have events at once; 40 bits of 1 ms last until 2060; 512 events of a
//! function fit in 1 ms, after which the next ones take the following ones. An event that is due at once
//! has its own millisecond, so that it waits for none.

use kiln_types::Timestamp;

const NUMBER_BITS: u32 = 9;
const DUE_BITS: u32 = 40;
const LANE_BITS: u32 = 14;
/// 2026-01-01T00:00:00Z.
const EPOCH_MS: i64 = 1_767_225_600_000;
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
        self.keys().0 + (since_epoch(now) << NUMBER_BITS) + ((1 << NUMBER_BITS) - 1)
    }

    /// The keys of events that are due in the same millisecond.
    pub(crate) fn keys_at(self, due: Timestamp) -> (i64, i64) {
        let first = self.keys().0 + (since_epoch(due) << NUMBER_BITS);
        (first, first + (1 << NUMBER_BITS) - 1)
    }
}

impl Key {
    /// Its function's place.
    pub fn lane(self) -> Lane {
        Lane((self.0 >> (DUE_BITS + NUMBER_BITS)) as u16)
    }

    /// When the event is due.
    pub fn due(self) -> Timestamp {
        Timestamp::from_millis(EPOCH_MS + ((self.0 >> NUMBER_BITS) & DUE_MAX))
    }
}

/// Milliseconds since 2026; before that zero.
fn since_epoch(time: Timestamp) -> i64 {
    let since = time.as_millis().saturating_sub(EPOCH_MS);
    since.clamp(0, DUE_MAX)
}

/// Rewrites the keys of a table; negative ones meanwhile, so that no new one meets an old one.
macro_rules! rewritten {
    ($table:literal) => {
        concat!(
            "UPDATE ",
            $table,
            " SET id = -(
                (id >> 49 << 49)
                + (min((id >> 12 & 137438953471) * 10 + (id & 4095) / 512, 1099511627775) << 9)
                + (id & 511)
            );
            UPDATE ",
            $table,
            " SET id = -id;"
        )
    };
}

/// Leads from keys of 12 bits of a number and 37 of 10 ms to these: in the same order, each due when it was, or up to
/// 8 ms later where there were many.
pub(super) const FROM_TICKS_OF_10_MS: &str = concat!(rewritten!("event"), rewritten!("running"));

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
    fn an_event_is_due_at_its_time() {
        let lane = Lane(7);
        for ms in [20, 21, 29, 123_456_789] {
            let (first, last) = lane.keys_at(at(ms));
            assert_eq!((Key(first).due(), Key(last).due()), (at(ms), at(ms)));
            assert_eq!(last, lane.due_by(at(ms)));
            assert!(first > lane.due_by(at(ms - 1)));
        }
    }

    #[test]
    fn keys_of_10_ms_become_keys_of_one_in_their_order() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE event (id INTEGER PRIMARY KEY); CREATE TABLE running (id INTEGER PRIMARY KEY);")
            .unwrap();
        let old = |lane: i64, ticks: i64, number: i64| lane << 49 | ticks << 12 | number;
        // The last is due after the last moment of the new ones.
        let places = [
            (0, 0, 0),
            (3, 100, 0),
            (3, 100, 511),
            (3, 100, 512),
            (3, 100, 4_095),
            (3, 101, 0),
            (3, 125, 7),
            (16_383, (1 << 37) - 1, 1),
        ];
        for (lane, ticks, number) in places {
            for table in ["event", "running"] {
                let insert = format!("INSERT INTO {table} VALUES (?1)");
                connection
                    .execute(&insert, [old(lane, ticks, number)])
                    .unwrap();
            }
        }
        connection.execute_batch(FROM_TICKS_OF_10_MS).unwrap();
        for table in ["event", "running"] {
            let mut select = connection
                .prepare(&format!("SELECT id FROM {table} ORDER BY id"))
                .unwrap();
            let keys: Vec<Key> = select
                .query_map([], |row| row.get(0).map(Key))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            let found: Vec<_> = keys
                .iter()
                .map(|key| (i64::from(key.lane().0), key.due()))
                .collect();
            let expected = places
                .map(|(lane, ticks, number)| (lane, at((ticks * 10 + number / 512).min(DUE_MAX))));
            assert_eq!(found, expected);
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
