//! Requests without an instance: who is served next, and how long one waits.
//!
//! A waiting request is *covered* when an instance is starting for it, else *uncovered*: it waits for
//! memory. Pools with uncovered requests stand in a rotation and take turns, so that a function with
//! many requests does not keep out one with few. Nobody overtakes the first in the rotation, even
//! with a smaller need: large functions would starve.

use kiln_types::Moment;

use super::arena::No;
use super::event::Ticket;
use super::state::{Pool, Waiter};
use super::{Core, Phase};
use crate::refusal::{Refused, ThrottleReason};

impl Core {
    /// Puts a request in line.
    pub(super) fn wait(&mut self, ticket: Ticket, no: No<Pool>, now: Moment) {
        let deadline = now + self.config.memory_wait;
        self.tickets.insert(
            ticket,
            Waiter {
                pool: no,
                since: now,
                deadline: Some(deadline),
            },
        );
        self.deadlines.insert((deadline, ticket));
        self.pools[no].uncovered.insert(ticket);
        // Covered at once when an instance is starting whose requester was served by another.
        self.rebalance(no, now);
    }

    /// Takes a request out of line. Call [`Core::rebalance`] afterwards when it may have been
    /// covered.
    pub(super) fn forget_waiter(&mut self, ticket: Ticket) -> Option<No<Pool>> {
        let waiter = self.tickets.remove(&ticket)?;
        if let Some(deadline) = waiter.deadline {
            self.deadlines.remove(&(deadline, ticket));
        }
        let pool = &mut self.pools[waiter.pool];
        if !pool.uncovered.remove(&ticket) {
            pool.covered.remove(&ticket);
        }
        Some(waiter.pool)
    }

    pub(super) fn abandoned(&mut self, ticket: Ticket, now: Moment) {
        let Some(no) = self.forget_waiter(ticket) else {
            return;
        };
        let function = self.pools[no].function;
        self.leave(function);
        self.rebalance(no, now);
        self.forget_if_empty(no);
        self.serve_rotation(now);
    }

    /// Makes the oldest requests of a pool covered, as many as instances are starting.
    pub(super) fn rebalance(&mut self, no: No<Pool>, now: Moment) {
        let pool = &mut self.pools[no];
        let starting = pool.starting as usize;
        while pool.covered.len() < starting
            && let Some(ticket) = pool.uncovered.pop_first()
        {
            pool.covered.insert(ticket);
            let waiter = self
                .tickets
                .get_mut(&ticket)
                .expect("pools hold known tickets");
            if let Some(deadline) = waiter.deadline.take() {
                self.deadlines.remove(&(deadline, ticket));
            }
        }
        while pool.covered.len() > starting
            && let Some(ticket) = pool.covered.pop_last()
        {
            pool.uncovered.insert(ticket);
            let deadline = now + self.config.memory_wait;
            let waiter = self
                .tickets
                .get_mut(&ticket)
                .expect("pools hold known tickets");
            waiter.deadline = Some(deadline);
            self.deadlines.insert((deadline, ticket));
        }
        if !pool.uncovered.is_empty() {
            self.join_rotation(no);
        }
    }

    /// Starts instances for uncovered requests, one per turn, while there is room; then makes room
    /// for the next.
    pub(super) fn serve_rotation(&mut self, now: Moment) {
        while let Some(no) = self.rotation.front().copied() {
            let pool = &mut self.pools[no];
            if pool.uncovered.is_empty() {
                self.rotation.pop_front();
                pool.in_rotation = false;
                self.forget_if_empty(no);
                continue;
            }
            let memory_mb = pool.memory_mb;
            if !self.has_room(memory_mb) {
                self.make_room(memory_mb);
                return;
            }
            self.start(no, now);
            self.end_turn(no);
        }
    }

    /// Puts the pool last if it is first.
    pub(super) fn end_turn(&mut self, no: No<Pool>) {
        if self.rotation.front() == Some(&no) {
            self.rotation.rotate_left(1);
        }
    }

    /// Whether an instance that comes back must make room for another function: the first in the
    /// rotation has waited too long, no other room is on its way, and it is the fairer owner.
    pub(super) fn must_yield(&self, no: No<Pool>, now: Moment) -> bool {
        let Some(first) = self.rotation.front().copied().filter(|first| *first != no) else {
            return false;
        };
        let pool = &self.pools[first];
        let Some(oldest) = pool.uncovered.first() else {
            return false;
        };
        let waited = now.since(self.tickets[oldest].since);
        waited >= self.config.yield_after
            && !self.will_have_room(pool.memory_mb)
            && self.is_fairer_owner(first, no)
    }

    /// Whether memory should go from one pool to another: to one that has nothing always, else
    /// while the giver keeps at least as much as the taker then has. Otherwise two busy functions
    /// would take each other's instances in turns, and spend their time on inits.
    fn is_fairer_owner(&self, taker: No<Pool>, giver: No<Pool>) -> bool {
        let (taker, giver) = (&self.pools[taker], &self.pools[giver]);
        let has = taker.owned_mb();
        // The instance that comes back is in no count of the giver's any more.
        has == 0 || giver.owned_mb() >= has + taker.memory_mb
    }

    /// Refuses the requests that have waited for memory as long as they may.
    pub(super) fn refuse_overdue(&mut self, now: Moment) {
        while let Some((_, ticket)) = self.deadlines.first().filter(|(at, _)| *at <= now).copied() {
            self.refuse_waiter(ticket, ThrottleReason::Capacity);
        }
    }

    pub(super) fn refuse_waiter(&mut self, ticket: Ticket, reason: ThrottleReason) {
        let no = self
            .forget_waiter(ticket)
            .expect("only waiting requests are refused late");
        let function = self.pools[no].function;
        self.leave(function);
        self.refuse(
            ticket,
            function,
            Refused {
                reason,
                retry_after: self.config.memory_wait,
            },
        );
        self.forget_if_empty(no);
    }

    fn join_rotation(&mut self, no: No<Pool>) {
        let pool = &mut self.pools[no];
        if !pool.in_rotation && self.phase == Phase::Serving {
            pool.in_rotation = true;
            self.rotation.push_back(no);
        }
    }
}
