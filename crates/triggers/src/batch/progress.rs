//! Up to where a source may move: behind the first record that is not done.

use std::collections::{BTreeMap, VecDeque};

use crate::record::Position;

/// Marks that are kept. Of more, every other one is forgotten: the source moves a little later.
const MARKS_MAX: usize = 1_024;

/// Counts records and remembers marks between them.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The number of the next record.
    next: u64,
    /// What each that is not done takes.
    unfinished: BTreeMap<u64, usize>,
    bytes: usize,
    /// Positions, each with the number of the first record behind it.
    marks: VecDeque<(u64, Position)>,
}

impl Progress {
    /// A record of so many bytes came: its number.
    pub(super) fn begin(&mut self, bytes: usize) -> u64 {
        let number = self.next;
        self.next += 1;
        self.unfinished.insert(number, bytes);
        self.bytes += bytes;
        number
    }

    /// How many are not done, and what they take.
    pub(super) fn held(&self) -> (usize, usize) {
        (self.unfinished.len(), self.bytes)
    }

    /// The source may move here once all that came is done.
    pub(super) fn mark(&mut self, position: Position) {
        if let Some((behind, last)) = self.marks.back_mut()
            && *behind == self.next
        {
            *last = position;
            return;
        }
        if self.marks.len() >= MARKS_MAX {
            let mut is_kept = false;
            self.marks.retain(|_| {
                is_kept = !is_kept;
                is_kept
            });
        }
        self.marks.push_back((self.next, position));
    }

    /// A record is done.
    pub(super) fn finish(&mut self, number: u64) {
        self.bytes -= self.unfinished.remove(&number).unwrap_or(0);
    }

    /// Where the source may move now, if that is further than before. `held` is a record that counts as
    /// not done although it is.
    pub(super) fn confirm(&mut self, held: Option<u64>) -> Option<Position> {
        let unfinished = self.unfinished.first_key_value().map(|(number, _)| *number);
        let first = [unfinished, held].into_iter().flatten().min();
        let first = first.unwrap_or(self.next);
        let mut reached = None;
        while let Some((behind, _)) = self.marks.front()
            && *behind <= first
        {
            reached = self.marks.pop_front().map(|(_, position)| position);
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(number: u64) -> Position {
        Position(number.to_string().into())
    }

    #[test]
    fn a_source_moves_behind_the_first_record_that_is_not_done() {
        let mut progress = Progress::default();
        let numbers: Vec<u64> = (1..=4)
            .map(|at| {
                let number = progress.begin(1);
                progress.mark(position(at));
                number
            })
            .collect();
        progress.finish(numbers[1]);
        assert_eq!(progress.confirm(None), None);
        progress.finish(numbers[0]);
        assert_eq!(progress.confirm(None), Some(position(2)));
        assert_eq!(progress.confirm(None), None);
        progress.finish(numbers[3]);
        progress.finish(numbers[2]);
        assert_eq!(progress.confirm(Some(numbers[3])), Some(position(3)));
        assert_eq!(progress.confirm(None), Some(position(4)));
        assert_eq!(progress.held(), (0, 0));
    }

    #[test]
    fn a_mark_behind_nothing_is_reached_at_once() {
        let mut progress = Progress::default();
        progress.mark(position(1));
        progress.mark(position(2));
        assert_eq!(progress.confirm(None), Some(position(2)));
    }

    #[test]
    fn marks_of_a_long_wait_are_thinned_and_the_last_stays() {
        let mut progress = Progress::default();
        let first = progress.begin(1);
        for at in 0..100_000 {
            let number = progress.begin(1);
            progress.mark(position(at));
            progress.finish(number);
        }
        assert!(progress.marks.len() <= MARKS_MAX);
        assert_eq!(progress.confirm(None), None);
        progress.finish(first);
        assert_eq!(progress.confirm(None), Some(position(99_999)));
    }
}
