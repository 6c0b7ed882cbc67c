//! Idle instances: which is used, which is frozen, which is ended and when.
//!
//! A pool's idle instances stand in the order in which they became idle: the last is used first, the
//! first ends first. So it is enough to order pools, not instances, by when their first instance
//! ends and by what it is worth, and a function with several idle instances is used again without
//! touching either order.

use std::collections::{BTreeSet, VecDeque};

use kiln_types::{InstanceId, Moment};

use super::arena::No;
use super::state::{Pool, Rank, Resting, State};
use super::{Action, Core};
use crate::keep_alive::Idle;

/// How often the order of ranks is put right while a victim is chosen. A rank grows with its
/// function's requests and is noted only now and then: what is noted is the least it can be.
const CORRECTIONS_MAX: usize = 4;

/// Idle instances in the orders in which something happens to them.
#[derive(Default)]
pub(super) struct Orders {
    /// What is not frozen yet, in the order of becoming idle. Some of it has been used since, but
    /// never the first.
    fresh: VecDeque<(u64, Moment, InstanceId)>,
    /// When the first idle instance of a pool ends, or earlier: then the pool is looked at again.
    expiries: BTreeSet<(Moment, No<Pool>)>,
    /// The rank of the first idle instance of a pool, or a lower one it had before.
    ranks: BTreeSet<(Rank, No<Pool>)>,
    turn_last: u64,
    /// The highest rank of a victim so far.
    inflation: u64,
}

#[cfg(test)]
impl Orders {
    pub(super) fn are_empty(&self) -> bool {
        self.fresh.is_empty() && self.expiries.is_empty() && self.ranks.is_empty()
    }
}

impl Core {
    /// Takes the most recently used idle instance of a pool out of all lists, a provisioned one
    /// first.
    pub(super) fn take_idle(&mut self, no: No<Pool>) -> Option<InstanceId> {
        let pool = &self.pools[no];
        let provisioned = pool.provisioned.idle.last_key_value();
        let (_, resting) = provisioned.or_else(|| pool.idle.last_key_value())?;
        let id = resting.id;
        self.wake(id);
        Some(id)
    }

    /// Makes an instance idle.
    pub(super) fn rest(&mut self, id: InstanceId, no: No<Pool>, now: Moment) {
        if self.has_surplus(no) {
            self.unprovision(id);
        }
        self.orders.turn_last += 1;
        let turn = self.orders.turn_last;
        let instance = self
            .instances
            .get_mut(&id)
            .expect("only live instances become idle");
        instance.state = State::Idle {
            turn,
            frozen: false,
        };
        let (provisioned, ahead) = (instance.provisioned, instance.ahead);
        self.orders.fresh.push_back((turn, now, id));
        let resting = Resting {
            id,
            since: now,
            inflation: self.orders.inflation,
        };
        if provisioned {
            // It is in no order in which idle instances end.
            self.pools[no].provisioned.idle.insert(turn, resting);
            return;
        }
        if !ahead {
            self.decide_window(no, now);
        }
        let pool = &mut self.pools[no];
        pool.idle.insert(turn, resting);
        self.live_idle.add(pool.memory_mb);
        if self.pools[no].idle.len() == 1 {
            self.note_rank(no);
        }
        self.note_expiry(no);
    }

    /// Asks the policy what becomes of an instance that has just run.
    pub(super) fn decide_window(&mut self, no: No<Pool>, now: Moment) {
        let pool = &mut self.pools[no];
        let window = self.policy.window(&self.functions[pool.function].habit);
        pool.keep = window.keep;
        if let Some(ahead) = window.ahead {
            self.foretell(no, now + ahead.after, now + ahead.after + ahead.keep);
        }
    }

    /// A provisioned instance is an ordinary one from here on, idle since when it was.
    pub(super) fn make_ordinary(&mut self, turn: u64, id: InstanceId, no: No<Pool>) {
        self.unprovision(id);
        let pool = &mut self.pools[no];
        if let Some(resting) = pool.provisioned.idle.remove(&turn) {
            pool.idle.insert(turn, resting);
            self.live_idle.add(pool.memory_mb);
            self.note_rank(no);
            self.note_expiry(no);
        }
    }

    /// Takes an idle instance out of all lists.
    pub(super) fn wake(&mut self, id: InstanceId) -> No<Pool> {
        let instance = self
            .instances
            .get_mut(&id)
            .expect("idle instances are live");
        let State::Idle { turn, frozen } = instance.state else {
            unreachable!("the lists of idle instances hold only idle ones");
        };
        // It is in no list from here on, whatever its caller makes of it.
        instance.state = State::Busy;
        let (no, provisioned) = (instance.pool, instance.provisioned);
        let pool = &mut self.pools[no];
        pool.frozen -= u32::from(frozen);
        if provisioned {
            pool.provisioned.idle.remove(&turn);
            self.drop_used();
            return no;
        }
        let was_first = pool
            .idle
            .first_key_value()
            .is_some_and(|(first, _)| *first == turn);
        pool.idle.remove(&turn);
        self.live_idle.take(pool.memory_mb);
        self.drop_used();
        if was_first {
            self.note_rank(no);
        }
        no
    }

    /// Ends an idle instance.
    pub(super) fn end_idle(&mut self, id: InstanceId) -> No<Pool> {
        let no = self.wake(id);
        self.stop(id, no);
        no
    }

    pub(super) fn next_freeze(&self) -> Option<Moment> {
        let (_, since, _) = self.orders.fresh.front()?;
        Some(*since + self.config.freeze_after)
    }

    pub(super) fn next_expiry(&self) -> Option<Moment> {
        self.orders.expiries.first().map(|(at, _)| *at)
    }

    /// Freezes what has been idle for the grace time.
    pub(super) fn freeze_rested(&mut self, now: Moment) {
        while self.next_freeze().is_some_and(|at| at <= now)
            && let Some((_, _, id)) = self.orders.fresh.pop_front()
        {
            let instance = self.instances.get_mut(&id).expect("the first is idle");
            if let State::Idle { frozen, .. } = &mut instance.state {
                *frozen = true;
            }
            self.pools[instance.pool].frozen += 1;
            self.actions.push(Action::Freeze { instance: id });
            self.drop_used();
        }
    }

    /// Drops the first of the instances that are not frozen yet until it is one that is idle.
    fn drop_used(&mut self) {
        while let Some((turn, _, id)) = self.orders.fresh.front() {
            let state = self.instances.get(id).map(|instance| instance.state);
            let idle = State::Idle {
                turn: *turn,
                frozen: false,
            };
            if state == Some(idle) {
                return;
            }
            self.orders.fresh.pop_front();
        }
    }

    /// Ends what nobody came for.
    pub(super) fn expire_idle(&mut self, now: Moment) {
        while let Some((at, no)) = self
            .orders
            .expiries
            .first()
            .filter(|(at, _)| *at <= now)
            .copied()
        {
            self.orders.expiries.remove(&(at, no));
            self.pools[no].expiry = None;
            while let Some((id, due)) = self.first_to_expire(no)
                && due <= now
            {
                self.end_idle(id);
                let function = self.pools[no].function;
                self.functions[function].counts.expired += 1;
            }
            self.note_expiry(no);
        }
    }

    fn first_to_expire(&self, no: No<Pool>) -> Option<(InstanceId, Moment)> {
        let pool = &self.pools[no];
        let (_, first) = pool.idle.first_key_value()?;
        let due = first.since + pool.keep;
        // One is kept for a request that is foretold.
        let held = pool.idle.len() == 1;
        Some((first.id, if held { due.max(pool.hold_until) } else { due }))
    }

    /// Sees to it that a pool is looked at when its first idle instance ends.
    fn note_expiry(&mut self, no: No<Pool>) {
        let Some((_, due)) = self.first_to_expire(no) else {
            return;
        };
        let pool = &mut self.pools[no];
        if pool.expiry.is_some_and(|at| at <= due) {
            return;
        }
        if let Some(at) = pool.expiry.replace(due) {
            self.orders.expiries.remove(&(at, no));
        }
        self.orders.expiries.insert((due, no));
    }

    /// Orders a pool by the rank of its first idle instance.
    fn note_rank(&mut self, no: No<Pool>) {
        let rank = self.first_rank(no);
        let pool = &mut self.pools[no];
        let before = std::mem::replace(&mut pool.rank, rank);
        if before == rank {
            return;
        }
        if let Some(rank) = before {
            self.orders.ranks.remove(&(rank, no));
        }
        if let Some(rank) = rank {
            self.orders.ranks.insert((rank, no));
        }
    }

    fn first_rank(&self, no: No<Pool>) -> Option<Rank> {
        let pool = &self.pools[no];
        let (turn, first) = pool.idle.first_key_value()?;
        let idle = Idle {
            memory_mb: pool.memory_mb,
            level: pool.busy + pool.idle.len() as u32,
            turn: *turn,
            inflation: first.inflation,
        };
        let rank = self.policy.rank(&self.functions[pool.function].habit, idle);
        Some((rank, *turn))
    }

    /// Ends the idle instance that is worth least; does nothing when none is idle.
    pub(super) fn evict(&mut self) {
        for _ in 0..CORRECTIONS_MAX {
            let Some((noted, no)) = self.orders.ranks.first().copied() else {
                return;
            };
            if self.first_rank(no).is_none_or(|rank| rank <= noted) {
                break;
            }
            self.note_rank(no);
        }
        let Some(((rank, _), no)) = self.orders.ranks.first().copied() else {
            return;
        };
        self.orders.inflation = self.orders.inflation.max(rank);
        let (_, first) = self.pools[no]
            .idle
            .first_key_value()
            .expect("ranked pools have one");
        self.end_idle(first.id);
        let function = self.pools[no].function;
        self.functions[function].counts.evicted += 1;
    }

    /// Evicts until this much is on its way back, or nothing is idle.
    pub(super) fn relieve(&mut self, bytes: u64) {
        let before = self.live_stopping.memory_mb;
        let wanted_mb = bytes.div_ceil(1 << 20);
        while self.live_stopping.memory_mb - before < wanted_mb && self.live_idle.instances > 0 {
            self.evict();
        }
    }

    /// Takes a pool that is dropped out of all orders.
    pub(super) fn forget_orders(&mut self, no: No<Pool>) {
        let pool = &mut self.pools[no];
        if let Some(at) = pool.expiry.take() {
            self.orders.expiries.remove(&(at, no));
        }
    }
}
