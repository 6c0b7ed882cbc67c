//! Whether a request may run at all: concurrency, the rate of starts, and memory.

use std::time::Duration;

use kiln_types::Moment;

use super::arena::No;
use super::event::Ticket;
use super::state::{Function, Pool};
use super::{Action, Core, Phase};
use crate::refusal::{Refused, ThrottleReason};

/// When to come again after a concurrency limit: nobody knows how long invocations take, and
/// AWS's clients double it on their own.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Core {
    /// Checks every limit that refuses at once. Takes one start from the bucket when the
    /// request finds neither an idle instance nor one that is starting for nobody.
    pub(super) fn admit(&mut self, no: No<Pool>, now: Moment) -> Result<(), Refused> {
        let refused = |reason| {
            Err(Refused {
                reason,
                retry_after: RETRY_AFTER,
            })
        };
        if self.phase != Phase::Serving {
            return refused(ThrottleReason::Draining);
        }
        let pool = &self.pools[no];
        let function = &self.functions[pool.function];
        if let Some(reserved) = function.reserved {
            if function.in_flight >= reserved {
                return refused(ThrottleReason::ReservedConcurrency);
            }
        } else {
            let account = &self.accounts[function.account];
            if u64::from(account.unreserved_in_flight) >= account.unreserved() {
                return refused(ThrottleReason::AccountConcurrency);
            }
        }
        let spare_start = pool.starting as usize > pool.covered.len();
        if spare_start || !pool.idle.is_empty() {
            return Ok(());
        }
        if pool.memory_mb > self.budget_mb() {
            return refused(ThrottleReason::TooLarge);
        }
        if self.config.instances_max == 0 {
            return refused(ThrottleReason::Capacity);
        }
        let function = pool.function;
        self.take_start(function, now)
    }

    /// Takes one start from the function's bucket. The bucket is one moment (GCRA): when it would
    /// be full again if nothing more was taken.
    fn take_start(&mut self, no: No<Function>, now: Moment) -> Result<(), Refused> {
        let interval = Duration::from_secs(1) / self.config.starts_per_second.max(1);
        let depth = interval * self.config.burst_starts;
        let function = &mut self.functions[no];
        let full_at = function.starts_full_at.max(now) + interval;
        let excess = full_at.since(now).saturating_sub(depth);
        if excess > Duration::ZERO {
            let reason = match function.reserved {
                Some(_) => ThrottleReason::ReservedStartRate,
                None => ThrottleReason::StartRate,
            };
            return Err(Refused {
                reason,
                retry_after: excess,
            });
        }
        function.starts_full_at = full_at;
        Ok(())
    }

    /// Counts a request in.
    pub(super) fn enter(&mut self, no: No<Function>) {
        let function = &mut self.functions[no];
        function.in_flight += 1;
        if function.reserved.is_none() {
            self.accounts[function.account].unreserved_in_flight += 1;
        }
    }

    /// Counts a request out, however it ended.
    pub(super) fn leave(&mut self, no: No<Function>) {
        let function = &mut self.functions[no];
        function.in_flight -= 1;
        if function.reserved.is_none() {
            self.accounts[function.account].unreserved_in_flight -= 1;
        }
    }

    pub(super) fn refuse(&mut self, ticket: Ticket, no: No<Function>, refused: Refused) {
        self.functions[no].counts.refused[refused.reason.index()] += 1;
        self.actions.push(Action::Refuse { ticket, refused });
    }

    /// Sets a reservation. What is in flight moves to or from the unreserved pool with it.
    pub(super) fn reserve(&mut self, no: No<Function>, reserved: Option<u32>) {
        let function = &mut self.functions[no];
        if function.reserved == reserved {
            return;
        }
        let account = &mut self.accounts[function.account];
        account.reserved -= u64::from(function.reserved.unwrap_or(0));
        account.reserved += u64::from(reserved.unwrap_or(0));
        match (function.reserved, reserved) {
            (None, Some(_)) => account.unreserved_in_flight -= function.in_flight,
            (Some(_), None) => account.unreserved_in_flight += function.in_flight,
            _ => {}
        }
        function.reserved = reserved;
    }

    pub(super) fn budget_mb(&self) -> u64 {
        self.config.memory_budget_bytes >> 20
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

    /// Ends idle instances, the least recently used first, until there is room. None when even
    /// that would not do: warm instances are not given up for nothing.
    pub(super) fn make_room(&mut self, memory_mb: u64) {
        let busy = self.live.memory_mb - self.live_stopping.memory_mb - self.live_idle.memory_mb;
        let instances =
            self.live.instances - self.live_stopping.instances - self.live_idle.instances;
        if busy + memory_mb > self.budget_mb() || instances >= self.config.instances_max {
            return;
        }
        while !self.will_have_room(memory_mb) {
            self.evict_least_recently_used();
        }
    }
}
