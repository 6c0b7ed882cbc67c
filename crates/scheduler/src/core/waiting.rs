//! Requests without an instance: how they stand in line, and how long one waits.
//!
//! A waiting request is *covered* when an instance is starting for it, else *uncovered*: it waits for
//! memory or for the right to start. Pools with uncovered requests stand in their function's queue.
//! Who is next is for [`super::serving`].

use kiln_types::Moment;

use super::Core;
use super::arena::No;
use super::event::Ticket;
use super::state::{Pool, Waiter};
use crate::refusal::{Refused, ThrottleReason};

impl Core {
    /// Puts a request in line.
    pub(super) fn wait(&mut self, ticket: Ticket, no: No<Pool>, now: Moment) {
        let deadline = now + self.config.wait_max;
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
        if pool.uncovered.remove(&ticket) {
            self.requeue(waiter.pool);
        } else {
            pool.covered.remove(&ticket);
        }
        Some(waiter.pool)
    }

    pub(super) fn abandoned(&mut self, ticket: Ticket, now: Moment) {
        let Some(no) = self.forget_waiter(ticket) else {
            return;
        };
        self.leave(no, now);
        self.rebalance(no, now);
        self.forget_if_empty(no);
        self.serve_waiting(now);
    }

    /// Makes the oldest requests of a pool covered, as many as the starting instances are for.
    pub(super) fn rebalance(&mut self, no: No<Pool>, now: Moment) {
        let pool = &mut self.pools[no];
        let starting = pool.starting_slots();
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
            let deadline = now + self.config.wait_max;
            let waiter = self
                .tickets
                .get_mut(&ticket)
                .expect("pools hold known tickets");
            waiter.deadline = Some(deadline);
            self.deadlines.insert((deadline, ticket));
        }
        self.requeue(no);
    }

    /// Puts a pool into its function's queue, or takes it out, as its requests ask for.
    fn requeue(&mut self, no: No<Pool>) {
        let pool = &mut self.pools[no];
        let waits = !pool.uncovered.is_empty();
        if waits == pool.queued {
            return;
        }
        pool.queued = waits;
        let of = pool.function;
        let function = &mut self.functions[of];
        if waits {
            function.queue.push_back(no);
            self.join_turns(of);
        } else {
            // Short: a pool for each version and revision that is overloaded at this moment.
            function.queue.retain(|other| *other != no);
            if function.queue.is_empty() {
                self.leave_turns(of);
                self.unpark(of);
            }
        }
    }

    /// Refuses the requests that have waited as long as they may.
    pub(super) fn refuse_overdue(&mut self, now: Moment) {
        while let Some((_, ticket)) = self.deadlines.first().filter(|(at, _)| *at <= now).copied() {
            let refused = self.overdue(ticket, now);
            self.refuse_waiter(ticket, refused, now);
        }
    }

    /// What a request waited for in vain: the right to start, or memory.
    fn overdue(&self, ticket: Ticket, now: Moment) -> Refused {
        let function = &self.functions[self.pools[self.tickets[&ticket].pool].function];
        match function.parked {
            Some(at) => Refused {
                reason: match function.reserved {
                    Some(_) => ThrottleReason::ReservedStartRate,
                    None => ThrottleReason::StartRate,
                },
                retry_after: at.since(now),
            },
            None => Refused {
                reason: ThrottleReason::Capacity,
                retry_after: self.config.wait_max,
            },
        }
    }

    pub(super) fn refuse_waiter(&mut self, ticket: Ticket, refused: Refused, now: Moment) {
        let no = self
            .forget_waiter(ticket)
            .expect("only waiting requests are refused late");
        let function = self.pools[no].function;
        self.leave(no, now);
        self.refuse(ticket, function, refused);
        self.forget_if_empty(no);
    }
}
