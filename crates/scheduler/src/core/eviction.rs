//! Idle instances: which is used, which is frozen, which is ended.

use kiln_types::{FunctionId, InstanceId, Moment, RevisionId, Version};

use super::arena::No;
use super::event::Ticket;
use super::state::{Pool, State};
use super::{Core, Phase};
use crate::refusal::{Refused, ThrottleReason};

impl Core {
    /// Takes the most recently used idle instance of a pool out of all lists.
    pub(super) fn take_idle(&mut self, no: No<Pool>) -> Option<InstanceId> {
        let (_, id) = self.pools[no].idle.last_key_value()?;
        let id = *id;
        self.wake(id);
        Some(id)
    }

    /// Makes an instance idle.
    pub(super) fn rest(&mut self, id: InstanceId, no: No<Pool>, now: Moment) {
        self.turn_last += 1;
        let turn = self.turn_last;
        let instance = self
            .instances
            .get_mut(&id)
            .expect("only live instances become idle");
        instance.state = State::Idle {
            turn,
            frozen: false,
        };
        let pool = &mut self.pools[no];
        pool.idle.insert(turn, id);
        self.idle.insert(turn, (now, id));
        self.live_idle.add(pool.memory_mb);
    }

    /// Takes an idle instance out of all lists.
    fn wake(&mut self, id: InstanceId) -> No<Pool> {
        let instance = &self.instances[&id];
        let State::Idle { turn, frozen } = instance.state else {
            unreachable!("the lists of idle instances hold only idle ones");
        };
        let pool = &mut self.pools[instance.pool];
        pool.idle.remove(&turn);
        pool.frozen -= u32::from(frozen);
        self.idle.remove(&turn);
        self.live_idle.take(pool.memory_mb);
        instance.pool
    }

    pub(super) fn next_freeze(&self) -> Option<Moment> {
        let (_, (since, _)) = self.idle.range(self.freeze_from..).next()?;
        Some(*since + self.config.freeze_after)
    }

    pub(super) fn next_expiry(&self) -> Option<Moment> {
        let (_, (since, _)) = self.idle.first_key_value()?;
        Some(*since + self.config.keep_alive)
    }

    /// Freezes what has been idle for the grace time. Instances become idle in the order of
    /// their turns, so the frozen ones are always those before `freeze_from`.
    pub(super) fn freeze_rested(&mut self, now: Moment) {
        while self.next_freeze().is_some_and(|at| at <= now) {
            let Some((turn, (_, id))) = self.idle.range(self.freeze_from..).next() else {
                return;
            };
            let (turn, id) = (*turn, *id);
            self.freeze_from = turn + 1;
            let instance = self
                .instances
                .get_mut(&id)
                .expect("idle instances are live");
            if let State::Idle { frozen, .. } = &mut instance.state {
                *frozen = true;
            }
            self.pools[instance.pool].frozen += 1;
            self.actions.push(super::Action::Freeze { instance: id });
        }
    }

    /// Ends what nobody came for.
    pub(super) fn expire_idle(&mut self, now: Moment) {
        while self.next_expiry().is_some_and(|at| at <= now) {
            let Some((_, (_, id))) = self.idle.first_key_value() else {
                return;
            };
            let no = self.end_idle(*id);
            let function = self.pools[no].function;
            self.functions[function].counts.expired += 1;
        }
    }

    /// Ends the instance that has been idle longest; does nothing when none is idle.
    pub(super) fn evict(&mut self) {
        let Some((_, (_, id))) = self.idle.first_key_value() else {
            return;
        };
        let no = self.end_idle(*id);
        let function = self.pools[no].function;
        self.functions[function].counts.evicted += 1;
    }

    fn end_idle(&mut self, id: InstanceId) -> No<Pool> {
        let no = self.wake(id);
        self.stop(id, no);
        no
    }

    /// Evicts until this much is on its way back, or nothing is idle.
    pub(super) fn relieve(&mut self, bytes: u64) {
        let before = self.live_stopping.memory_mb;
        let wanted_mb = bytes.div_ceil(1 << 20);
        while self.live_stopping.memory_mb - before < wanted_mb && !self.idle.is_empty() {
            self.evict();
        }
    }

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
            while let Some((_, id)) = self.pools[no].idle.first_key_value() {
                self.end_idle(*id);
            }
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
        let mut waiting: Vec<Ticket> = self.tickets.keys().copied().collect();
        waiting.sort_unstable();
        let refused = Refused {
            reason: ThrottleReason::Draining,
            retry_after: self.config.wait_max,
        };
        for ticket in waiting {
            self.refuse_waiter(ticket, refused);
        }
        self.serve_waiting(now);
        while let Some((_, (_, id))) = self.idle.first_key_value() {
            self.end_idle(*id);
        }
        self.end_all(|state| state == State::Starting);
    }

    /// Ends everything. One that was told to stop before may still run an invocation that was
    /// given up, so that one is killed too.
    pub(super) fn halt(&mut self) {
        self.end_all(|state| matches!(state, State::Starting | State::Busy));
        for instance in self.instances_that(|state| state == State::Stopping) {
            self.actions.push(super::Action::Kill { instance });
        }
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

    fn end_all(&mut self, which: impl Fn(State) -> bool) {
        for id in self.instances_that(which) {
            let instance = &self.instances[&id];
            let (no, state) = (instance.pool, instance.state);
            let pool = &mut self.pools[no];
            if state == State::Busy {
                pool.busy -= 1;
                let function = pool.function;
                self.leave(function);
            } else {
                pool.starting -= 1;
            }
            self.stop(id, no);
        }
    }
}
