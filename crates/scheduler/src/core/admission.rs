//! Whether a request may run at all: concurrency, and a machine that is large enough.

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
    /// Checks every limit that refuses at once.
    pub(super) fn admit(&self, no: No<Pool>) -> Result<(), Refused> {
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
        } else if pool.in_flight >= pool.provisioned.wanted {
            let account = &self.accounts[function.account];
            if u64::from(account.unreserved_in_flight) >= account.unreserved() {
                return refused(ThrottleReason::AccountConcurrency);
            }
        }
        if pool.memory_mb > self.budget_mb() {
            return refused(ThrottleReason::TooLarge);
        }
        if self.config.instances_max == 0 {
            return refused(ThrottleReason::Capacity);
        }
        Ok(())
    }

    /// Counts a request in.
    pub(super) fn enter(&mut self, no: No<Pool>, now: Moment) {
        let pool = &mut self.pools[no];
        pool.in_flight += 1;
        let is_over = pool.in_flight > pool.provisioned.wanted;
        let function = &mut self.functions[pool.function];
        function.in_flight += 1;
        if function.reserved.is_none() && is_over {
            self.accounts[function.account].unreserved_in_flight += 1;
        }
        let level = function.level(function.in_flight);
        if level > function.level(function.in_flight - 1) {
            self.policy.requested(&mut function.habit, level, now);
        }
    }

    /// Counts a request out, however it ended.
    pub(super) fn leave(&mut self, no: No<Pool>, now: Moment) {
        let pool = &mut self.pools[no];
        let was_over = pool.in_flight > pool.provisioned.wanted;
        pool.in_flight -= 1;
        let function = &mut self.functions[pool.function];
        function.in_flight -= 1;
        if function.reserved.is_none() && was_over {
            self.accounts[function.account].unreserved_in_flight -= 1;
        }
        let level = function.level(function.in_flight);
        if level < function.level(function.in_flight + 1) {
            self.policy.finished(&mut function.habit, level, now);
        }
    }

    pub(super) fn refuse(&mut self, ticket: Ticket, no: No<Function>, refused: Refused) {
        self.functions[no].counts.refused[refused.reason.index()] += 1;
        self.actions.push(Action::Refuse { ticket, refused });
    }

    /// Sets a reservation. What is in flight moves to or from the unreserved pool with it.
    pub(super) fn reserve(&mut self, no: No<Function>, reserved: Option<u32>) {
        let pools = &self.pools;
        let function = &mut self.functions[no];
        if function.reserved == reserved {
            return;
        }
        let account = &mut self.accounts[function.account];
        let kept = |reserved: Option<u32>| u64::from(reserved.unwrap_or(function.provisioned));
        account.reserved -= kept(function.reserved);
        account.reserved += kept(reserved);
        let beyond = function.pools.iter().map(|no| {
            let pool = &pools[*no];
            pool.beyond(pool.provisioned.wanted)
        });
        match (function.reserved, reserved) {
            (None, Some(_)) => account.unreserved_in_flight -= beyond.sum::<u32>(),
            (Some(_), None) => account.unreserved_in_flight += beyond.sum::<u32>(),
            _ => {}
        }
        function.reserved = reserved;
    }

    pub(super) fn budget_mb(&self) -> u64 {
        self.config.memory_budget_bytes >> 20
    }
}
