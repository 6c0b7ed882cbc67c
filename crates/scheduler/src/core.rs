//! The decisions: who gets which instance, what is started, frozen and ended.
//!
//! [`Core::on`] is told an [`Event`] and the time, and answers with [`Action`]s to be done in order.
//! It never awaits, reads a clock or draws randomness; the same events give the same actions.
//!
//! - A request takes a place in an instance of its key that runs others already, where its function
//!   asked for that ([`slots`]); else the most recently used idle one (its caches are warm and the
//!   others may expire); without one an instance is started.
//! - Concurrency limits refuse at once, as AWS's do. Memory and the right to start are waited for,
//!   because both come back within milliseconds.
//! - Who waits for the same key is served in the order of asking; accounts and functions take turns.
//!
//! Every event costs O(log n) in the number of instances and waiting requests; `Retired`, `Drain`
//! and `Halt` cost that for each instance they end.

mod action;
mod admission;
mod ahead;
mod arena;
mod ending;
mod event;
mod idle;
mod numbered;
mod provisioned;
mod register;
mod serving;
mod slots;
mod starts;
pub(crate) mod state;
mod turns;
mod waiting;

#[cfg(test)]
mod fairness;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use kiln_types::{AccountId, FunctionId, InstanceId, Moment};

pub use action::Action;
use arena::{Arena, No};
pub use event::{Event, FunctionKey, Provision, Ticket};
use idle::Orders;
use numbered::Numbered;
pub use provisioned::Readiness;
use state::{Account, Function, Instance, Pool, Promised, State, Waiter};
use turns::Turns;

use crate::config::Config;
use crate::keep_alive::Policy;
use crate::statistics::{FunctionStatistics, Statistics};

/// The scheduler's state machine.
pub struct Core {
    config: Config,
    policy: Box<dyn Policy>,
    phase: Phase,
    accounts: Arena<Account>,
    account_of: HashMap<AccountId, No<Account>>,
    functions: Arena<Function>,
    function_of: HashMap<FunctionId, No<Function>>,
    pools: Arena<Pool>,
    pool_of: HashMap<FunctionKey, No<Pool>>,
    instances: Numbered<InstanceId, Instance>,
    instance_last: u64,
    tickets: Numbered<Ticket, Waiter>,
    /// When uncovered requests are refused.
    deadlines: BTreeSet<(Moment, Ticket)>,
    /// Accounts with functions that wait for memory.
    turns: Turns<No<Account>>,
    /// Functions with uncovered requests that may not start another instance, and until when.
    parked: BTreeSet<(Moment, No<Function>)>,
    /// Pools that lack provisioned instances and may start some.
    unprovided: BTreeSet<No<Pool>>,
    /// When that is tried again after a failure.
    retries: BTreeSet<(Moment, No<Pool>)>,
    /// When instances are started ahead of need.
    plans: BTreeSet<(Moment, No<Pool>)>,
    orders: Orders,
    live: Promised,
    live_idle: Promised,
    live_stopping: Promised,
    /// Given to nobody any more, and not told to end yet.
    live_closing: Promised,
    actions: Vec<Action>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    Draining,
}

impl Core {
    /// A scheduler without functions and instances.
    pub fn new(config: Config) -> Self {
        Self {
            policy: config.policy.policy(&config),
            config,
            phase: Phase::Serving,
            accounts: Arena::new(),
            account_of: HashMap::new(),
            functions: Arena::new(),
            function_of: HashMap::new(),
            pools: Arena::new(),
            pool_of: HashMap::new(),
            instances: Numbered::default(),
            instance_last: 0,
            tickets: Numbered::default(),
            deadlines: BTreeSet::new(),
            turns: Turns::new(),
            parked: BTreeSet::new(),
            unprovided: BTreeSet::new(),
            retries: BTreeSet::new(),
            plans: BTreeSet::new(),
            orders: Orders::default(),
            live: Promised::default(),
            live_idle: Promised::default(),
            live_stopping: Promised::default(),
            live_closing: Promised::default(),
            actions: Vec::new(),
        }
    }

    /// Decides what follows from an event.
    pub fn on(&mut self, event: Event, now: Moment) -> Vec<Action> {
        match event {
            Event::Requested {
                ticket,
                key,
                memory,
                slots,
                reserved,
            } => {
                let pool = self.pool_with(key, memory, slots);
                self.reserve(self.pools[pool].function, reserved);
                self.requested(ticket, pool, now);
            }
            Event::Abandoned { ticket } => self.abandoned(ticket, now),
            Event::Expected {
                key,
                memory,
                slots,
                at,
            } => {
                let pool = self.pool_with(key, memory, slots);
                self.expected(pool, at, now);
            }
            Event::Provisioned { function, wanted } => self.provision(&function, &wanted, now),
            Event::Started { instance, init } => self.started(instance, init, now),
            Event::Released {
                instance,
                usable,
                init,
            } => {
                self.released(instance, usable, init, now);
            }
            Event::Ended { instance } => self.ended(instance, now),
            Event::Tick => self.tick(now),
            Event::Retired { function, keep } => self.retire(&function, keep, now),
            Event::Reserved {
                function,
                concurrency,
            } => {
                let no = self.function_no(&function);
                self.functions[no].deleted = false;
                self.reserve(no, concurrency);
            }
            Event::AccountLimit {
                account,
                concurrency,
            } => {
                let no = self.account_no(&account);
                let every = self.config.account_concurrency;
                self.accounts[no].concurrency = concurrency.unwrap_or(every);
            }
            Event::Expelled { account } => self.expel(&account, now),
            Event::MemoryPressure { bytes } => self.relieve(bytes),
            Event::Drain => self.drain(now),
            Event::Halt => self.halt(now),
        }
        std::mem::take(&mut self.actions)
    }

    /// When `Tick` is due next, if nothing else happens.
    pub fn deadline(&self) -> Option<Moment> {
        let refusal = self.deadlines.first().map(|(deadline, _)| *deadline);
        let token = self.parked.first().map(|(until, _)| *until);
        let plan = self.plans.first().map(|(start, _)| *start);
        let retry = self.retries.first().map(|(at, _)| *at);
        let idle = [self.next_freeze(), self.next_expiry()];
        [refusal, token, plan, retry]
            .into_iter()
            .chain(idle)
            .flatten()
            .min()
    }

    /// Whether no instance is left.
    pub fn is_empty(&self) -> bool {
        self.instances.is_empty()
    }

    #[cfg(test)]
    fn is_draining(&self) -> bool {
        self.phase == Phase::Draining
    }

    /// How things stand.
    pub fn statistics(&self) -> Statistics {
        let functions = self.functions.iter().map(|function| {
            let mut one = FunctionStatistics {
                counts: function.counts,
                ..Default::default()
            };
            for pool in function.pools.iter().map(|no| &self.pools[*no]) {
                one.idle += pool.idle.len() + pool.provisioned.idle.len();
                one.frozen += pool.frozen as usize;
                one.busy += pool.busy as usize;
                one.starting += (pool.starting + pool.provisioned.starting) as usize;
                one.stopping += pool.stopping as usize;
                one.waiting += pool.covered.len() + pool.uncovered.len();
            }
            (function.id.clone(), one)
        });
        Statistics {
            functions: functions.collect(),
            memory_promised_bytes: self.live.memory_mb << 20,
            memory_budget_bytes: self.config.memory_budget_bytes,
        }
    }

    fn requested(&mut self, ticket: Ticket, pool: No<Pool>, now: Moment) {
        let function = self.pools[pool].function;
        if let Err(refused) = self.admit(pool) {
            self.refuse(ticket, function, refused);
            self.forget_if_empty(pool);
            return;
        }
        self.enter(pool, now);
        self.forget_foretold(pool);
        let open = self.first_open(pool);
        if let Some(instance) = open.or_else(|| self.take_idle(pool)) {
            self.grant(ticket, instance, pool);
        } else {
            self.wait(ticket, pool, now);
            self.serve_waiting(now);
            if self.tickets.contains_key(&ticket) {
                self.functions[function].counts.waited += 1;
            }
        }
    }

    fn started(&mut self, id: InstanceId, init: Duration, now: Moment) {
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        if instance.state != State::Starting {
            return;
        }
        let no = instance.pool;
        match instance.provisioned {
            true => self.provided(no),
            false => self.pools[no].starting -= 1,
        }
        self.learn(no, init);
        self.offer(id, no, now);
        self.rebalance(no, now);
        self.serve_waiting(now);
    }

    fn released(&mut self, id: InstanceId, usable: bool, init: Option<Duration>, now: Moment) {
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        if instance.state != State::Busy {
            return;
        }
        let (no, closing) = (instance.pool, instance.closing);
        let provisioned = instance.provisioned;
        let is_free = self.give_slot(id, no);
        self.pools[no].busy -= u32::from(is_free);
        if let Some(init) = init {
            self.learn(no, init);
        }
        self.leave(no, now);
        if usable && !closing && (provisioned || !self.must_yield(no, now)) {
            self.offer(id, no, now);
        } else if is_free {
            self.stop(id, no);
        } else {
            self.close(id, no);
        }
        self.serve_waiting(now);
    }

    fn learn(&mut self, no: No<Pool>, init: Duration) {
        let pool = &mut self.pools[no];
        pool.learn(init);
        self.functions[pool.function].habit.learn(init);
    }

    /// Gives an instance that is free now, or has a free place, to who waits, or to nobody.
    fn offer(&mut self, id: InstanceId, no: No<Pool>, now: Moment) {
        if self.phase == Phase::Serving {
            self.fill(id, no, now);
        }
        if self.instances[&id].granted > 0 {
            return;
        }
        if self.phase != Phase::Serving || self.pools[no].retired {
            self.stop(id, no);
        } else {
            self.rest(id, no, now);
        }
    }

    fn ended(&mut self, id: InstanceId, now: Moment) {
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        let (no, state, provisioned) = (instance.pool, instance.state, instance.provisioned);
        if matches!(state, State::Idle { .. }) {
            self.wake(id);
        }
        let granted = self.give_slots(id, no);
        self.forget_closing(id, no);
        if state != State::Stopping {
            self.disown(no);
            self.unprovision(id);
        }
        self.instances.remove(&id);
        if provisioned {
            self.lost(no, state, now);
        }
        let pool = &mut self.pools[no];
        let memory_mb = pool.memory_mb;
        self.live.take(memory_mb);
        match state {
            State::Starting if provisioned => {}
            State::Starting => {
                pool.starting -= 1;
                // The next one is bound to a request at once, so that its failure reaches somebody.
                pool.init = None;
                self.rebalance(no, now);
            }
            State::Busy => {
                pool.busy -= 1;
                for _ in 0..granted {
                    self.leave(no, now);
                }
            }
            State::Idle { .. } => {}
            State::Stopping => {
                pool.stopping -= 1;
                self.live_stopping.take(memory_mb);
            }
        }
        self.forget_if_empty(no);
        self.serve_waiting(now);
    }

    fn tick(&mut self, now: Moment) {
        self.refuse_overdue(now);
        self.unpark_due(now);
        self.retry_due(now);
        self.freeze_rested(now);
        self.expire_idle(now);
        self.serve_waiting(now);
        self.start_due_ahead(now);
    }

    /// The instance runs the request from here on.
    fn grant(&mut self, ticket: Ticket, id: InstanceId, no: No<Pool>) {
        let instance = self
            .instances
            .get_mut(&id)
            .expect("only live instances are granted");
        instance.state = State::Busy;
        let was_ahead = std::mem::take(&mut instance.ahead);
        let provisioned = instance.provisioned;
        let is_first = self.take_slot(id, no);
        let pool = &mut self.pools[no];
        pool.busy += u32::from(is_first);
        let spills = !provisioned && pool.provisioned.wanted > 0;
        let counts = &mut self.functions[pool.function].counts;
        counts.granted += 1;
        counts.spilled += u64::from(spills);
        counts.ahead_used += u64::from(was_ahead);
        self.actions.push(Action::Grant {
            ticket,
            instance: id,
            provisioned,
        });
    }

    /// Starts an instance for the requests of a pool, of which one is uncovered.
    fn start(&mut self, no: No<Pool>, now: Moment) {
        let id = self.add_instance(no, false, now);
        let pool = &mut self.pools[no];
        let like = *pool
            .uncovered
            .first()
            .expect("started for an uncovered request");
        // With nothing under way, nothing can come back before the new one is there.
        let quick = |from| pool.init.unwrap_or_default() < from;
        let bound =
            self.config.late_binding_from.is_none_or(quick) || pool.busy + pool.starting == 0;
        pool.known = true;
        self.actions.push(Action::Start {
            instance: id,
            like,
            bound,
        });
        if bound {
            self.forget_waiter(like);
            self.grant(like, id, no);
            self.fill(id, no, now);
        } else {
            self.pools[no].starting += 1;
            self.rebalance(no, now);
        }
    }

    /// Makes an instance that starts, and counts it wherever instances are counted.
    fn add_instance(&mut self, no: No<Pool>, ahead: bool, now: Moment) -> InstanceId {
        self.instance_last += 1;
        let id = InstanceId(self.instance_last);
        let instance = Instance {
            pool: no,
            state: State::Starting,
            granted: 0,
            closing: false,
            ahead,
            provisioned: false,
        };
        self.instances.insert(id, instance);
        let function = self.pools[no].function;
        self.live.add(self.pools[no].memory_mb);
        self.own(no);
        self.take_token(function, now);
        let counts = &mut self.functions[function].counts;
        counts.started += 1;
        counts.ahead += u64::from(ahead);
        id
    }

    /// Ends an instance that no list holds any more.
    fn stop(&mut self, id: InstanceId, no: No<Pool>) {
        self.forget_closing(id, no);
        let instance = self
            .instances
            .get_mut(&id)
            .expect("only live instances are stopped");
        instance.state = State::Stopping;
        self.unprovision(id);
        let pool = &mut self.pools[no];
        pool.stopping += 1;
        self.live_stopping.add(pool.memory_mb);
        self.disown(no);
        self.actions.push(Action::Stop { instance: id });
    }
}
