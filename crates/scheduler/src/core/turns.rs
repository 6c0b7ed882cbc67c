//! Deficit round robin for a resource that is given back: memory.
//!
//! Deficit round robin (Shreedhar and Varghese, SIGCOMM 1995) lets members take turns and carries over
//! by how much each fell short of its share. It counts bytes that are sent and gone. Memory comes
//! back, after a millisecond or after 15 minutes, so a counter of what was once given would let
//! who holds it longest win. Here the deficit is what a member holds now: whoever holds least is
//! next, and members that hold the same take turns. Each operation costs O(log n).
//!
//! Nobody starves: who holds nothing is served after at most one turn of every other member that
//! holds nothing, because a member that was served holds something, or has had its turn.

use std::collections::BTreeMap;

/// Members in the order of their turns.
pub(super) struct Turns<T> {
    order: BTreeMap<Place, T>,
    turn_last: u64,
}

/// What a member holds, in MiB, and when it joined or was served last.
type Place = (u64, u64);

/// What a member holds, and its place while it takes turns.
#[derive(Debug, Default)]
pub(super) struct Share {
    held_mb: u64,
    turn: u64,
    takes_turns: bool,
}

impl<T: Copy> Turns<T> {
    pub(super) fn new() -> Self {
        Self {
            order: BTreeMap::new(),
            turn_last: 0,
        }
    }

    /// Whose turn it is.
    pub(super) fn first(&self) -> Option<T> {
        self.order.first_key_value().map(|(_, member)| *member)
    }

    /// Whose turn it is after that many others; O(n) in their number.
    pub(super) fn nth(&self, others: usize) -> Option<T> {
        self.order.values().nth(others).copied()
    }

    /// Lets a member take turns; does nothing when it does.
    pub(super) fn join(&mut self, share: &mut Share, member: T) {
        if share.takes_turns {
            return;
        }
        share.takes_turns = true;
        share.turn = self.next_turn();
        self.order.insert(share.place(), member);
    }

    /// Takes a member out; does nothing when it takes no turns.
    pub(super) fn leave(&mut self, share: &mut Share) {
        if share.takes_turns {
            share.takes_turns = false;
            self.order.remove(&share.place());
        }
    }

    /// Gives a member memory, which ends its turn.
    pub(super) fn give(&mut self, share: &mut Share, memory_mb: u64) {
        let turn = self.next_turn();
        self.change(share, share.held_mb + memory_mb, turn);
    }

    /// Takes memory back from a member.
    pub(super) fn take(&mut self, share: &mut Share, memory_mb: u64) {
        self.change(share, share.held_mb - memory_mb, share.turn);
    }

    fn change(&mut self, share: &mut Share, held_mb: u64, turn: u64) {
        let member = match share.takes_turns {
            true => self.order.remove(&share.place()),
            false => None,
        };
        (share.held_mb, share.turn) = (held_mb, turn);
        if let Some(member) = member {
            self.order.insert(share.place(), member);
        }
    }

    fn next_turn(&mut self) -> u64 {
        self.turn_last += 1;
        self.turn_last
    }
}

impl Share {
    /// What the member holds.
    pub(super) fn held_mb(&self) -> u64 {
        self.held_mb
    }

    #[cfg(test)]
    pub(super) fn takes_turns(&self) -> bool {
        self.takes_turns
    }

    fn place(&self) -> Place {
        (self.held_mb, self.turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Members whose demand never ends, of these sizes.
    struct Table {
        turns: Turns<usize>,
        shares: Vec<Share>,
        sizes: Vec<u64>,
    }

    impl Table {
        fn new(sizes: &[u64]) -> Self {
            let mut table = Self {
                turns: Turns::new(),
                shares: sizes.iter().map(|_| Share::default()).collect(),
                sizes: sizes.to_vec(),
            };
            for member in 0..sizes.len() {
                table.turns.join(&mut table.shares[member], member);
            }
            table
        }

        fn serve(&mut self) -> usize {
            let member = self.turns.first().unwrap();
            let size = self.sizes[member];
            self.turns.give(&mut self.shares[member], size);
            member
        }

        fn take(&mut self, member: usize) {
            let size = self.sizes[member];
            self.turns.take(&mut self.shares[member], size);
        }
    }

    #[test]
    fn equal_members_alternate() {
        let mut table = Table::new(&[128, 128, 128]);
        let turns: Vec<usize> = (0..6).map(|_| table.serve()).collect();
        assert_eq!(turns, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn a_large_member_has_its_turn_and_then_waits_for_the_small_ones() {
        let mut table = Table::new(&[128, 512]);
        let turns: Vec<usize> = (0..7).map(|_| table.serve()).collect();
        assert_eq!(turns, [0, 1, 0, 0, 0, 1, 0]);
    }

    #[test]
    fn everybody_comes_to_hold_the_same() {
        let sizes = [128, 300, 1_769, 10_240];
        let mut table = Table::new(&sizes);
        for _ in 0..10_000 {
            table.serve();
        }
        let held = || table.shares.iter().map(Share::held_mb);
        assert!(held().max().unwrap() - held().min().unwrap() <= 10_240);
    }

    #[test]
    fn who_gives_back_at_once_does_not_keep_out_others() {
        let mut table = Table::new(&[128, 128, 128]);
        let mut turns = Vec::new();
        for _ in 0..6 {
            let member = table.serve();
            table.take(member);
            turns.push(member);
        }
        assert_eq!(turns, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn leaving_and_joining_again_gains_nothing() {
        let mut table = Table::new(&[128, 128, 128]);
        for _ in 0..2 {
            let member = table.serve();
            table.take(member);
            table.turns.leave(&mut table.shares[member]);
            table.turns.join(&mut table.shares[member], member);
        }
        assert_eq!(table.serve(), 2);
    }
}
