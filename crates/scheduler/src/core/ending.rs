//! Ends of instances that nobody chose to end: outdated ones, and all of them when the server stops.

use kiln_types::{AccountId, FunctionId, InstanceId, Moment, RevisionId, Version};

use super::arena::No;
use super::event::Ticket;
use super::state::{Pool, State};
use super::{Action, Core, Phase};
use crate::refusal::{Refused, ThrottleReason};

impl Core {
    /// Ends what runs outdated code, now or when it comes back. Requests that were made before
    /// the change are still served as they were made.
    pub(super) fn retire(&mut self, id: &FunctionId, keep: Option<RevisionId>, now: Moment) {
        let Some(function) = self.function_of.get(id).copied() else {
            return;
        };
        for no in self.functions[function].pools.clone() {
            let pool = &mut self.pools[no];
            let kept = keep.is_some_and(|revision| {
                pool.key.version != Version::Latest || pool.key.revision == revision
            });
            if kept {
                // It may have been asked for before it was known that the function is there again.
                pool.retired &= keep != Some(pool.key.revision);
                continue;
            }
            pool.retired = true;
            self.promise(no, 0, now);
            self.forget_plans(no);
            while let Some((_, resting)) = self.pools[no].idle.first_key_value() {
                self.end_idle(resting.id);
            }
            self.forget_if_empty(no);
        }
        if keep.is_none() {
            self.reserve(function, None);
            self.functions[function].deleted = true;
            self.forget_if_deleted(function);
        }
        self.serve_waiting(now);
    }

    /// Refuses who waits and ends what is not in use.
    pub(super) fn drain(&mut self, now: Moment) {
        self.phase = Phase::Draining;
        self.refuse_waiting(|_, _| true, now);
        self.serve_waiting(now);
        self.forget_promises(now);
        self.forget_all_plans();
        self.end_all(
            |state| matches!(state, State::Idle { .. } | State::Starting),
            now,
        );
    }

    /// Refuses those who wait for pools that are meant, the first to ask first.
    fn refuse_waiting(&mut self, is_meant: impl Fn(&Self, No<Pool>) -> bool, now: Moment) {
        let waits = self.tickets.iter();
        let waits = waits.filter(|(_, waiter)| is_meant(self, waiter.pool));
        let mut waiting: Vec<Ticket> = waits.map(|(ticket, _)| *ticket).collect();
        waiting.sort_unstable();
        let refused = Refused {
            reason: ThrottleReason::Draining,
            retry_after: self.config.wait_max,
        };
        for ticket in waiting {
            self.refuse_waiter(ticket, refused, now);
        }
    }

    /// Ends everything. One that was told to stop before may still run an invocation that was
    /// given up, so that one is killed too.
    pub(super) fn halt(&mut self, now: Moment) {
        self.end_all(|state| matches!(state, State::Starting | State::Busy), now);
        for instance in self.instances_that(|state| state == State::Stopping) {
            self.actions.push(Action::Kill { instance });
        }
    }

    /// Ends everything of an account that is erased: who waits is refused, what was told to stop before and still runs is killed.
    pub(super) fn expel(&mut self, account: &AccountId, now: Moment) {
        let is_own = |core: &Self, no: No<Pool>| core.pools[no].key.id.account == *account;
        self.refuse_waiting(is_own, now);
        let mut ids = self.instances_that(|_| true);
        ids.retain(|id| is_own(self, self.instances[id].pool));
        let is_stopping =
            |core: &Self, id: &InstanceId| core.instances[id].state == State::Stopping;
        let (doomed, live): (Vec<_>, Vec<_>) =
            ids.into_iter().partition(|id| is_stopping(self, id));
        for instance in doomed {
            self.actions.push(Action::Kill { instance });
        }
        self.end_each(live, now);
        self.serve_waiting(now);
    }

    /// How many instances of an account there are.
    pub fn instances_of(&self, account: &AccountId) -> usize {
        let pools = self.instances.values().map(|instance| instance.pool);
        pools
            .filter(|no| self.pools[*no].key.id.account == *account)
            .count()
    }

    fn instances_that(&self, are: impl Fn(State) -> bool) -> Vec<InstanceId> {
        let mut ids: Vec<InstanceId> = self
            .instances
            .iter()
            .filter(|(_, instance)| are(instance.state))
            .map(|(id, _)| *id)
            .collect();
        ids.sort_unstable();
        ids
    }

    fn end_all(&mut self, which: impl Fn(State) -> bool, now: Moment) {
        let ids = self.instances_that(which);
        self.end_each(ids, now);
    }

    fn end_each(&mut self, ids: Vec<InstanceId>, now: Moment) {
        for id in ids {
            let instance = &self.instances[&id];
            let (no, state, provisioned) = (instance.pool, instance.state, instance.provisioned);
            let pool = &mut self.pools[no];
            match state {
                State::Idle { .. } => {
                    self.end_idle(id);
                    continue;
                }
                State::Busy => {
                    pool.busy -= 1;
                    for _ in 0..self.give_slots(id, no) {
                        self.leave(no, now);
                    }
                }
                _ if provisioned => pool.provisioned.starting -= 1,
                _ => pool.starting -= 1,
            }
            self.stop(id, no);
        }
    }
}
