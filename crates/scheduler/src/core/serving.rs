//! Who of those that wait is served next, and what is given up for it.
//!
//! Accounts take turns, and within an account its functions ([`super::turns`]), so that neither a
//! function with many requests nor an account with many functions keeps out others. Within an
//! account nobody is overtaken, even by a smaller need: large functions would starve. An account
//! that holds nothing is not overtaken either; one that holds something is, by accounts whose need
//! fits when its own does not. A function that may not start another instance yet is parked
//! meanwhile and holds up nobody.

use kiln_types::Moment;

use super::Core;
use super::arena::No;
use super::state::{Account, Function, Pool};

/// How many accounts are asked for a need that fits. Beyond them memory may be left over for the
/// moment it takes the first to come back.
const OVERTAKERS_MAX: usize = 8;

impl Core {
    /// Starts instances for uncovered requests, one per turn, while there is room; then makes room
    /// for the next.
    pub(super) fn serve_waiting(&mut self, now: Moment) {
        self.provide(now);
        let mut overtaken = 0;
        while overtaken < OVERTAKERS_MAX
            && let Some(account) = self.turns.nth(overtaken)
        {
            let no = self
                .first_of(account)
                .expect("accounts take turns for a function");
            let (function, memory_mb) = (self.pools[no].function, self.pools[no].memory_mb);
            let next = self.next_start(function, now);
            if next > now {
                self.park(function, next);
            } else if self.has_room(memory_mb) {
                self.end_turn(no);
                self.start(no, now);
            } else if self.make_room(memory_mb) || self.accounts[account].share.held_mb() == 0 {
                return;
            } else {
                overtaken += 1;
                continue;
            }
            overtaken = 0;
        }
    }

    /// The pool whose turn it is.
    fn first_in_turn(&self) -> Option<No<Pool>> {
        self.first_of(self.turns.first()?)
    }

    fn first_of(&self, account: No<Account>) -> Option<No<Pool>> {
        let function = self.accounts[account].turns.first()?;
        self.functions[function].queue.front().copied()
    }

    /// Puts the pool behind the other pools of its function.
    pub(super) fn end_turn(&mut self, no: No<Pool>) {
        let function = &mut self.functions[self.pools[no].function];
        if function.queue.front() == Some(&no) {
            function.queue.rotate_left(1);
        }
    }

    /// Counts an instance to its function and account.
    pub(super) fn own(&mut self, no: No<Pool>) {
        let pool = &self.pools[no];
        let function = &mut self.functions[pool.function];
        let account = &mut self.accounts[function.account];
        account.turns.give(&mut function.share, pool.memory_mb);
        self.turns.give(&mut account.share, pool.memory_mb);
    }

    /// Takes an instance out of these counts: it has ended or is told to.
    pub(super) fn disown(&mut self, no: No<Pool>) {
        let pool = &self.pools[no];
        let function = &mut self.functions[pool.function];
        let account = &mut self.accounts[function.account];
        account.turns.take(&mut function.share, pool.memory_mb);
        self.turns.take(&mut account.share, pool.memory_mb);
        if function.share.held_mb() == 0 {
            function.habit.forget_requests();
        }
    }

    /// Lets a function with uncovered requests take turns, unless it is parked.
    pub(super) fn join_turns(&mut self, no: No<Function>) {
        let function = &mut self.functions[no];
        if function.parked.is_some() {
            return;
        }
        let account = &mut self.accounts[function.account];
        account.turns.join(&mut function.share, no);
        self.turns.join(&mut account.share, function.account);
    }

    pub(super) fn leave_turns(&mut self, no: No<Function>) {
        let function = &mut self.functions[no];
        let account = &mut self.accounts[function.account];
        account.turns.leave(&mut function.share);
        if account.turns.first().is_none() {
            self.turns.leave(&mut account.share);
        }
    }

    /// Takes a function out of the turns until it may start again.
    fn park(&mut self, no: No<Function>, until: Moment) {
        self.leave_turns(no);
        self.functions[no].parked = Some(until);
        self.parked.insert((until, no));
    }

    pub(super) fn unpark(&mut self, no: No<Function>) {
        if let Some(until) = self.functions[no].parked.take() {
            self.parked.remove(&(until, no));
        }
    }

    /// Lets the functions take turns again that may start by now.
    pub(super) fn unpark_due(&mut self, now: Moment) {
        while let Some((_, no)) = self.parked.first().filter(|(at, _)| *at <= now).copied() {
            self.unpark(no);
            self.join_turns(no);
        }
    }

    /// Whether an instance that comes back must make room for another function: the first in turn,
    /// or the first of the instance's own account, because between accounts that hold the same,
    /// memory still moves between functions of one. The other has waited too long, no room for it
    /// is on its way, and it is the fairer owner.
    pub(super) fn must_yield(&self, no: No<Pool>, now: Moment) -> bool {
        let Some(first) = self.first_in_turn() else {
            return false;
        };
        let needs_mb = self.pools[first].memory_mb;
        if self.must_yield_to(first, needs_mb, no, now) {
            return true;
        }
        let own = self.first_of(self.functions[self.pools[no].function].account);
        own.filter(|own| *own != first).is_some_and(|own| {
            // The first in turn takes what becomes free before it does.
            self.must_yield_to(own, needs_mb + self.pools[own].memory_mb, no, now)
        })
    }

    fn must_yield_to(&self, taker: No<Pool>, needs_mb: u64, giver: No<Pool>, now: Moment) -> bool {
        let oldest = self.pools[taker].uncovered.first();
        let waited = oldest.map(|oldest| now.since(self.tickets[oldest].since));
        taker != giver
            && waited.is_some_and(|waited| waited >= self.config.yield_after)
            && !self.will_have_room_in_time(needs_mb)
            && self.is_fairer(taker, giver)
    }

    /// Whether memory should go from one pool to another: to one whose function, or account, has
    /// nothing always, else while the giver keeps at least as much as the taker then has. Otherwise
    /// two busy functions would take each other's instances in turns, and spend their time on
    /// inits.
    fn is_fairer(&self, taker: No<Pool>, giver: No<Pool>) -> bool {
        let (taker, giver) = (&self.pools[taker], &self.pools[giver]);
        let (from, to) = (
            &self.functions[giver.function],
            &self.functions[taker.function],
        );
        let (from, to) = match from.account == to.account {
            true => (&from.share, &to.share),
            false => (
                &self.accounts[from.account].share,
                &self.accounts[to.account].share,
            ),
        };
        to.held_mb() == 0 || from.held_mb() - giver.memory_mb >= to.held_mb() + taker.memory_mb
    }

    /// Whether an instance can start now.
    pub(super) fn has_room(&self, memory_mb: u64) -> bool {
        self.live.memory_mb + memory_mb <= self.budget_mb()
            && self.live.instances < self.config.instances_max
    }

    /// Whether an instance can start once what is told to end has ended.
    pub(super) fn will_have_room(&self, memory_mb: u64) -> bool {
        let staying = self.live.memory_mb - self.live_stopping.memory_mb;
        let instances = self.live.instances - self.live_stopping.instances;
        staying + memory_mb <= self.budget_mb() && instances < self.config.instances_max
    }

    /// The same, counting instances that are closing too: they may take long, but another that closes
    /// may take as long.
    fn will_have_room_in_time(&self, memory_mb: u64) -> bool {
        let staying =
            self.live.memory_mb - self.live_stopping.memory_mb - self.live_closing.memory_mb;
        let instances =
            self.live.instances - self.live_stopping.instances - self.live_closing.instances;
        staying + memory_mb <= self.budget_mb() && instances < self.config.instances_max
    }

    /// Ends idle instances until there is room, or will be; returns whether that is so. None when
    /// even that would not do: warm instances are not given up for nothing.
    pub(super) fn make_room(&mut self, memory_mb: u64) -> bool {
        let busy = self.live.memory_mb - self.live_stopping.memory_mb - self.live_idle.memory_mb;
        let instances =
            self.live.instances - self.live_stopping.instances - self.live_idle.instances;
        if busy + memory_mb > self.budget_mb() || instances >= self.config.instances_max {
            return false;
        }
        while !self.will_have_room(memory_mb) {
            self.evict();
        }
        true
    }
}
