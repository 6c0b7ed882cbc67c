//! Provisioned instances: started for nobody in particular and kept ready, as many as a version was
//! promised.
//!
//! A pool that lacks some of them has them started, a few at a time, before anybody who waits gets
//! memory: they were asked for first. They are never ended for being idle or for making room, are
//! used before any other instance of the pool, and are replaced when they end. What comes while all of
//! them are busy is served as if there were none: it spills over.
//!
//! An instance that ends before it was used is tried again after a pause that doubles: its init fails,
//! most likely, and would fail as often as it is tried.

use std::collections::BTreeMap;
use std::time::Duration;

use kiln_types::{FunctionId, InstanceId, Moment};

use super::arena::No;
use super::event::{FunctionKey, Provision};
use super::state::{Pool, Resting, State};
use super::{Action, Core, Phase};

/// How many of a pool start at the same time: inits share the machine with what runs.
pub(super) const STARTING_MAX: u32 = 8;
/// How long to wait after the first one that ended unused, ...
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// ... and at the most, after several in a row.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// The provisioned instances of a pool.
#[derive(Default)]
pub(super) struct Provisioned {
    pub(super) wanted: u32,
    /// All that there are, without those that end.
    pub(super) live: u32,
    /// Those of them in their init.
    pub(super) starting: u32,
    /// Those that are idle, by turn.
    pub(super) idle: BTreeMap<u64, Resting>,
    /// Ends in a row before any use.
    pub(super) failures: u32,
    /// Until when none is started: after such an end, or for want of a token.
    pub(super) retry: Option<Moment>,
    /// Whether the last try found no memory.
    pub(super) lacks_memory: bool,
}

/// How far the promise to one version is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Readiness {
    /// How many instances were asked for.
    pub wanted: u32,
    /// How many there are with their init done.
    pub ready: u32,
    /// How many have ended before any use, in a row.
    pub failures: u32,
    /// Whether memory lacks for the next one.
    pub lacks_memory: bool,
}

impl Provisioned {
    fn lacks(&self) -> bool {
        self.live < self.wanted && self.starting < STARTING_MAX && self.retry.is_none()
    }
}

impl Core {
    /// Sets how many instances each of a function's versions is promised; those not named, none.
    pub(super) fn provision(&mut self, function: &FunctionId, wanted: &[Provision], now: Moment) {
        if self.phase == Phase::Serving {
            for one in wanted {
                let no = self.pool_with(one.key.clone(), one.memory, one.slots);
                // Who provisions has kept what is needed to start one.
                self.pools[no].known = true;
            }
        }
        let Some(function) = self.function_of.get(function).copied() else {
            return;
        };
        for no in self.functions[function].pools.clone() {
            let named = wanted.iter().find(|one| one.key == self.pools[no].key);
            self.promise(no, named.map_or(0, |one| one.count), now);
            self.forget_if_empty(no);
        }
        self.serve_waiting(now);
    }

    /// How far the promise to a version is kept; none when there never was one.
    pub fn readiness(&self, key: &FunctionKey) -> Option<Readiness> {
        let pool = &self.pools[*self.pool_of.get(key)?].provisioned;
        (pool.wanted > 0).then_some(Readiness {
            wanted: pool.wanted,
            ready: pool.live - pool.starting,
            failures: pool.failures,
            lacks_memory: pool.lacks_memory,
        })
    }

    /// Changes what one pool is promised. What there is beyond it becomes ordinary: it is warm.
    pub(super) fn promise(&mut self, no: No<Pool>, wanted: u32, now: Moment) {
        let may = self.phase == Phase::Serving && !self.pools[no].retired;
        let wanted = if may { wanted } else { 0 };
        let pool = &mut self.pools[no];
        let before = std::mem::replace(&mut pool.provisioned.wanted, wanted);
        if before != wanted {
            self.end_pause(no);
            self.count_promise(no, before);
            self.release_surplus(no, now);
        }
        self.look_again(no);
    }

    /// Keeps the account's counts true after a change of what a pool is promised.
    fn count_promise(&mut self, no: No<Pool>, before: u32) {
        let pool = &self.pools[no];
        let wanted = pool.provisioned.wanted;
        let (over_before, over_now) = (pool.beyond(before), pool.beyond(wanted));
        let function = &mut self.functions[pool.function];
        function.provisioned = function.provisioned - before + wanted;
        if function.reserved.is_none() {
            let account = &mut self.accounts[function.account];
            account.reserved = account.reserved - u64::from(before) + u64::from(wanted);
            account.unreserved_in_flight = account.unreserved_in_flight - over_before + over_now;
        }
    }

    /// Makes idle instances beyond the promise ordinary ones; busy ones when they come back.
    fn release_surplus(&mut self, no: No<Pool>, now: Moment) {
        let stays = !self.pools[no].retired && self.phase == Phase::Serving;
        while self.has_surplus(no)
            && let Some((turn, first)) = self.pools[no].provisioned.idle.first_key_value()
        {
            let (turn, id) = (*turn, first.id);
            if stays {
                self.decide_window(no, now);
                self.make_ordinary(turn, id, no);
            } else {
                self.end_idle(id);
            }
        }
    }

    pub(super) fn has_surplus(&self, no: No<Pool>) -> bool {
        let provisioned = &self.pools[no].provisioned;
        provisioned.live > provisioned.wanted
    }

    /// An instance is provisioned no more.
    pub(super) fn unprovision(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        if std::mem::take(&mut instance.provisioned) {
            let no = instance.pool;
            self.pools[no].provisioned.live -= 1;
            self.look_again(no);
        }
    }

    /// Notes a pool if it lacks instances.
    fn look_again(&mut self, no: No<Pool>) {
        if self.pools[no].provisioned.lacks() {
            self.unprovided.insert(no);
        } else {
            self.unprovided.remove(&no);
        }
    }

    /// Starts what pools lack, while there is room; makes room where ordinary instances are idle.
    pub(super) fn provide(&mut self, now: Moment) {
        for no in self.unprovided.clone() {
            while self.pools[no].provisioned.lacks() {
                let memory_mb = self.pools[no].memory_mb;
                let has_room = self.has_room(memory_mb);
                self.pools[no].provisioned.lacks_memory = !has_room && !self.make_room(memory_mb);
                if !has_room {
                    break;
                }
                let next = self.next_start(self.pools[no].function, now);
                if next > now {
                    self.pause(no, next);
                } else {
                    self.start_provisioned(no, now);
                }
            }
            self.look_again(no);
        }
    }

    fn start_provisioned(&mut self, no: No<Pool>, now: Moment) {
        let id = self.add_instance(no, true, now);
        let instance = self.instances.get_mut(&id).expect("it was just added");
        instance.provisioned = true;
        let pool = &mut self.pools[no];
        pool.provisioned.live += 1;
        pool.provisioned.starting += 1;
        let key = pool.key.clone();
        self.actions.push(Action::StartAhead {
            instance: id,
            key,
            provisioned: true,
        });
    }

    /// One has done its init.
    pub(super) fn provided(&mut self, no: No<Pool>) {
        let provisioned = &mut self.pools[no].provisioned;
        provisioned.starting -= 1;
        provisioned.failures = 0;
        self.look_again(no);
    }

    /// One has ended; `state` says what it did until then.
    pub(super) fn lost(&mut self, no: No<Pool>, state: State, now: Moment) {
        let provisioned = &mut self.pools[no].provisioned;
        if state == State::Starting {
            provisioned.starting -= 1;
        }
        if state != State::Busy && provisioned.wanted > 0 {
            let pause = PAUSE_FIRST * 2_u32.saturating_pow(provisioned.failures.min(6));
            provisioned.failures = provisioned.failures.saturating_add(1);
            self.pause(no, now + pause.min(PAUSE_MAX));
        }
        self.look_again(no);
    }

    /// Tries again where that is due.
    pub(super) fn retry_due(&mut self, now: Moment) {
        while let Some((_, no)) = self.retries.first().filter(|(at, _)| *at <= now).copied() {
            self.end_pause(no);
            self.look_again(no);
        }
    }

    fn pause(&mut self, no: No<Pool>, until: Moment) {
        self.end_pause(no);
        self.pools[no].provisioned.retry = Some(until);
        self.retries.insert((until, no));
    }

    fn end_pause(&mut self, no: No<Pool>) {
        if let Some(until) = self.pools[no].provisioned.retry.take() {
            self.retries.remove(&(until, no));
        }
    }

    /// Nothing is promised any more: the server shuts down.
    pub(super) fn forget_promises(&mut self, now: Moment) {
        let promised: Vec<_> = self
            .pool_of
            .values()
            .copied()
            .filter(|no| self.pools[*no].provisioned.wanted > 0)
            .collect();
        for no in promised {
            self.promise(no, 0, now);
            self.forget_if_empty(no);
        }
    }
}
