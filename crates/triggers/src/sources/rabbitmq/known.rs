//! Which messages the worker has already: a broker gives them no names, and sends what was not acknowledged again after
//! a connection is lost.
//!
//! A message that comes again is known by what it says, and gets the number that it had, so that the worker, which
//! may be at it still, does not take it twice. That is done only while numbers grow: the worker passes over every number
//! below one that it has heard, and must not pass over a message that it has not.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, Hash, RandomState};

use kiln_types::Timestamp;

/// Of a number: what counts messages of one millisecond.
const NUMBER_BITS: u32 = 20;
/// Messages of former connections that are remembered.
const FORMER_MAX: usize = 2 * u16::MAX as usize;

/// A message that is not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Open {
    /// The broker's number of it, of this connection alone.
    pub(super) tag: u64,
    /// Ours.
    pub(super) number: u64,
    /// Of all that it says.
    pub(super) digest: u64,
}

/// What is known of messages.
#[derive(Debug, Default)]
pub(super) struct Known {
    hasher: RandomState,
    /// Of this connection, in order.
    open: VecDeque<Open>,
    /// Of those before, by their numbers.
    former: VecDeque<Open>,
    /// The greatest number that was ever given.
    last: u64,
    /// The last one of this connection.
    last_here: u64,
}

impl Known {
    /// A new connection: what was open comes again.
    pub(super) fn begin(&mut self) {
        self.former.extend(self.open.drain(..));
        let too_many = self.former.len().saturating_sub(FORMER_MAX);
        self.former.drain(..too_many);
        self.last_here = 0;
    }

    /// Of something that was sent.
    pub(super) fn digest(&self, sent: impl Hash) -> u64 {
        self.hasher.hash_one(sent)
    }

    /// The number of a message that has come: the one that it had, or the next.
    pub(super) fn number(&mut self, digest: u64, is_redelivered: bool, now: Timestamp) -> u64 {
        let (former, last_here) = (&self.former, self.last_here);
        let is_it = |open: &Open| open.digest == digest && open.number > last_here;
        let place = is_redelivered
            .then(|| former.iter().position(is_it))
            .flatten();
        let number = match place.and_then(|place| self.former.remove(place)) {
            Some(open) => open.number,
            None => {
                let now = u64::try_from(now.as_millis()).unwrap_or(0) << NUMBER_BITS;
                self.last = now.max(self.last + 1);
                self.last
            }
        };
        self.last_here = number;
        number
    }

    /// A message is with the worker.
    pub(super) fn open(&mut self, open: Open) {
        self.open.push_back(open);
    }

    /// All up to this one is done; false when it was already.
    pub(super) fn done(&mut self, tag: u64) -> bool {
        let count = self.open.partition_point(|open| open.tag <= tag);
        self.open.drain(..count);
        count > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    /// Messages that come: what they say and whether again. Their numbers.
    fn come(known: &mut Known, messages: &[(u64, bool)]) -> Vec<u64> {
        let mut numbers = Vec::new();
        for (place, (digest, is_redelivered)) in messages.iter().enumerate() {
            let number = known.number(*digest, *is_redelivered, at(5));
            known.open(Open {
                tag: place as u64 + 1,
                number,
                digest: *digest,
            });
            numbers.push(number);
        }
        numbers
    }

    #[test]
    fn what_comes_again_in_its_order_has_its_number_again() {
        let mut known = Known::default();
        let first = come(
            &mut known,
            &[(1, false), (2, false), (2, false), (3, false)],
        );
        assert!(first.is_sorted() && first[0] == 5 << NUMBER_BITS);
        assert!(known.done(1));
        assert!(!known.done(1));
        known.begin();
        let again = come(&mut known, &[(2, true), (2, true), (3, true), (4, false)]);
        assert_eq!(again[..3], first[1..]);
        assert!(again[3] > first[3]);
        known.begin();
        // One was lost on the way: the rest is known nevertheless.
        let third = come(&mut known, &[(2, true), (3, true), (4, true)]);
        assert_eq!(third, [again[0], again[2], again[3]]);
    }

    #[test]
    fn numbers_of_a_connection_only_grow() {
        let mut known = Known::default();
        let first = come(&mut known, &[(1, false), (2, false), (3, false)]);
        known.begin();
        // 3 came before 1 and 2: whether the worker had those nobody knows any more.
        let again = come(&mut known, &[(3, true), (1, true), (9, false), (2, true)]);
        assert_eq!(again[0], first[2]);
        assert!(again.is_sorted(), "{again:?}");
        assert!(again[1] > first[2]);
        // It only says the same, and was never sent before.
        known.begin();
        assert!(known.number(9, false, at(5)) > again[3]);
    }

    #[test]
    fn what_was_never_done_is_not_remembered_for_ever() {
        let mut known = Known::default();
        for _ in 0..3 {
            for digest in 0..FORMER_MAX as u64 {
                let number = known.number(digest, false, at(5));
                known.open(Open {
                    tag: digest,
                    number,
                    digest,
                });
            }
            known.begin();
        }
        assert_eq!(known.former.len(), FORMER_MAX);
    }
}
