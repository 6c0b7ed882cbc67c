//! What every action must keep to, and what must hold after every event.

use std::collections::BTreeSet;

use kiln_types::{Clock, InstanceId};

use super::{Doing, Waiting, World};
use crate::core::arena::No;
use crate::core::state::Pool;
use crate::core::{Action, FunctionKey, Ticket};
use crate::refusal::ThrottleReason;

impl World {
    pub(super) fn believe(&mut self, action: Action, bound: &BTreeSet<InstanceId>) {
        match action {
            Action::Start { instance, like, .. } => {
                let key = self.waiting[&like].key.clone();
                self.known.insert(key.clone());
                self.start(instance, key);
            }
            Action::StartAhead { instance, key, .. } => {
                assert!(self.known.contains(&key), "its spec was kept");
                self.start(instance, key);
            }
            Action::Forget { key } => {
                assert!(self.known.remove(&key), "forgotten once");
                let lives = self.instances.values().any(|(other, _)| *other == key);
                assert!(!lives, "what lives is not forgotten");
            }
            Action::Grant {
                ticket, instance, ..
            } => {
                let asked = self
                    .waiting
                    .remove(&ticket)
                    .expect("only who waits is granted, once");
                let (key, doing) = self.instances[&instance].clone();
                assert_eq!(key, asked.key, "instances are not shared between keys");
                match doing {
                    Doing::Idle(_, turn, _) => {
                        self.check_turn(&key, ticket, (instance, turn));
                        self.check_places(&key, instance, 0);
                    }
                    Doing::Starting => assert!(bound.contains(&instance), "granted unready"),
                    Doing::Busy if self.running(instance) < self.slots(&key) => {
                        assert!(!self.core.instances[&instance].closing, "closing");
                        self.check_places(&key, instance, self.running(instance));
                    }
                    _ => panic!("one invocation per place: {instance} is {doing:?}"),
                }
                self.instances.get_mut(&instance).unwrap().1 = Doing::Busy;
                *self.running.entry(instance).or_default() += 1;
                self.granted.insert(ticket, instance);
            }
            Action::Refuse { ticket, refused } => {
                let asked = self
                    .waiting
                    .remove(&ticket)
                    .expect("only who waits is refused, once");
                let fits = self.functions[asked.function].memory.bytes()
                    <= self.config.memory_budget_bytes;
                use ThrottleReason::{Capacity, ReservedStartRate, StartRate};
                let waits = matches!(refused.reason, Capacity | StartRate | ReservedStartRate);
                if waits && fits {
                    let waited = self.clock.now().since(asked.since);
                    assert!(waited >= self.config.wait_max, "refused after {waited:?}");
                }
            }
            Action::Freeze { instance } => {
                let Doing::Idle(since, _, frozen) =
                    &mut self.instances.get_mut(&instance).unwrap().1
                else {
                    panic!("only idle instances are frozen");
                };
                assert!(!*frozen, "frozen once");
                assert!(self.clock.now().since(*since) >= self.config.freeze_after);
                *frozen = true;
            }
            Action::Stop { instance } => {
                let doing = &mut self
                    .instances
                    .get_mut(&instance)
                    .expect("stops what lives")
                    .1;
                assert_ne!(*doing, Doing::Stopping, "stopped once");
                assert!(
                    *doing != Doing::Busy || self.halted,
                    "busy instances are left alone"
                );
                *doing = Doing::Stopping;
                self.running.remove(&instance);
            }
            Action::Kill { instance } => {
                assert!(self.halted, "only a halt kills");
                assert_eq!(self.doing(instance), Some(Doing::Stopping));
            }
        }
    }

    fn start(&mut self, instance: InstanceId, key: FunctionKey) {
        let function = self.functions.iter().position(|one| one.id == key.id);
        let (bucket, now) = (&mut self.buckets[function.unwrap()], self.clock.now());
        assert!(
            bucket.unknown || bucket.can_start(&self.config, now),
            "{instance} is started without a token"
        );
        bucket.started(now);
        let before = self.instances.insert(instance, (key, Doing::Starting));
        assert!(before.is_none(), "instances get names of their own");
    }

    /// Whoever gets an instance that comes back asked first; who gets an idle one gets the
    /// most recently used, of the provisioned ones if there are any.
    fn check_turn(&self, key: &FunctionKey, ticket: Ticket, granted: (InstanceId, u64)) {
        for (other, waiting) in &self.waiting {
            assert!(
                waiting.key != *key || *other > ticket,
                "{other:?} asked before {ticket:?}"
            );
        }
        let place = |id: InstanceId, turn: u64| (self.is_provisioned(id), turn);
        for (id, (other, doing)) in &self.instances {
            if let Doing::Idle(_, turn, _) = doing {
                assert!(
                    other != key || place(*id, *turn) <= place(granted.0, granted.1),
                    "a more recently used one is idle"
                );
            }
        }
    }

    /// Whoever gets a place gets it in the fullest instance that has one and stays. The core may have
    /// granted more since: this is about those that nothing was granted of just now.
    fn check_places(&self, key: &FunctionKey, granted: InstanceId, running: u32) {
        for (id, count) in &self.running {
            let is_open = self.instances[id].0 == *key
                && *count < self.slots(key)
                && *id != granted
                && self.core.instances.get(id).is_some_and(|one| !one.closing);
            assert!(
                !is_open || *count <= running,
                "{id} runs {count} and has a place"
            );
        }
    }

    fn is_provisioned(&self, id: InstanceId) -> bool {
        let instance = self.core.instances.get(&id);
        instance.is_some_and(|instance| instance.provisioned)
    }

    pub(super) fn settle(&mut self, actions: &[Action]) {
        let live = &self.instances;
        self.retired.retain(|id| live.contains_key(id));
        let promised: u64 = self
            .instances
            .values()
            .map(|(key, _)| self.memory(key))
            .sum();
        assert!(
            promised <= self.config.memory_budget_bytes,
            "{promised} promised: {actions:?}"
        );
        assert!(self.instances.len() <= self.config.instances_max);
    }

    fn memory(&self, key: &FunctionKey) -> u64 {
        let function = self
            .functions
            .iter()
            .find(|function| function.id == key.id)
            .unwrap();
        function.memory.bytes()
    }

    /// What must hold after every event.
    pub(super) fn check(&self) {
        let total = self.core.statistics().total();
        assert_eq!(
            total.idle,
            self.count(|doing| matches!(doing, Doing::Idle(..)))
        );
        assert_eq!(
            total.frozen,
            self.count(|doing| matches!(doing, Doing::Idle(_, _, true)))
        );
        assert_eq!(total.busy, self.count(|doing| doing == Doing::Busy));
        assert_eq!(total.starting, self.count(|doing| doing == Doing::Starting));
        assert_eq!(total.stopping, self.count(|doing| doing == Doing::Stopping));
        assert_eq!(total.waiting, self.waiting.len());
        for (id, (key, doing)) in &self.instances {
            if let Doing::Idle(..) = doing {
                assert!(
                    !self.retired.contains(id),
                    "outdated instances do not stay idle"
                );
                let waits = self.waiting.values().any(|waiting| waiting.key == *key);
                assert!(!waits, "nobody waits beside an idle instance");
            }
            let instance = &self.core.instances[id];
            assert_eq!(instance.granted, self.running(*id));
            if *doing == Doing::Busy && !instance.closing && self.running(*id) < self.slots(key) {
                let waits = self.waiting.values().any(|waiting| waiting.key == *key);
                assert!(!waits, "nobody waits beside a free place");
            }
        }
        for pool in self.core.pools.iter() {
            for (granted, id) in &pool.open {
                let instance = &self.core.instances[id];
                assert_eq!(instance.granted, *granted);
                assert!((1..pool.slots).contains(granted) && !instance.closing);
            }
        }
        for pool in self.core.pools.iter() {
            let waiting = pool.covered.len() + pool.uncovered.len();
            let covered = waiting.min(pool.starting_slots());
            assert_eq!(
                pool.covered.len(),
                covered,
                "each start covers one who waits"
            );
            let provisioned = &pool.provisioned;
            assert!(
                provisioned.idle.len() + provisioned.starting as usize <= provisioned.live as usize
            );
            assert!(
                provisioned.idle.len() <= provisioned.wanted as usize,
                "what is not promised is ordinary"
            );
            assert_eq!(
                pool.queued,
                !pool.uncovered.is_empty(),
                "who waits is queued"
            );
        }
        self.check_turns();
        let starting = |(key, doing): &(FunctionKey, Doing)| match doing {
            Doing::Starting => self.slots(key) as usize,
            _ => 0,
        };
        let starting: usize = self.instances.values().map(starting).sum();
        if total.waiting > starting && !self.halted {
            let promised = self.core.statistics().memory_promised_bytes;
            let largest = self
                .functions
                .iter()
                .map(|f| f.memory.bytes())
                .max()
                .unwrap();
            let room = promised + largest <= self.config.memory_budget_bytes
                && self.instances.len() < self.config.instances_max;
            let now = self.clock.now();
            let all_lack_tokens = self.uncovered().all(|function| {
                let bucket = &self.buckets[function];
                bucket.unknown || !bucket.can_start(&self.config, now)
            });
            assert!(
                !room || all_lack_tokens,
                "nobody waits for memory while there is room for anybody"
            );
        }
    }

    /// The functions with more requests than instances start for them.
    fn uncovered(&self) -> impl Iterator<Item = usize> {
        (0..self.functions.len()).filter(|function| {
            let waits = |one: &&Waiting| one.function == *function;
            let id = &self.functions[*function].id;
            let starts = |(of, (key, doing)): &(&InstanceId, &(FunctionKey, Doing))| {
                key.id == *id && *doing == Doing::Starting && !self.is_provisioned(**of)
            };
            let slots = self.functions[*function].slots.get() as usize;
            self.waiting.values().filter(waits).count()
                > self.instances.iter().filter(starts).count() * slots
        })
    }

    /// A function with uncovered requests takes turns, and its account, unless it lacks tokens.
    fn check_turns(&self) {
        let core = &self.core;
        for function in core.functions.iter() {
            let queued = |no: &No<Pool>| core.pools[*no].queued;
            let waits = function.pools.iter().any(queued);
            assert_eq!(waits, !function.queue.is_empty());
            assert!(function.queue.iter().all(queued));
            let takes_turns = function.share.takes_turns();
            assert_eq!(waits, takes_turns || function.parked.is_some());
            assert!(!takes_turns || function.parked.is_none());
            let account = &core.accounts[function.account];
            assert!(!takes_turns || account.share.takes_turns());
        }
        for account in core.accounts.iter() {
            assert_eq!(account.share.takes_turns(), account.turns.first().is_some());
        }
    }
}
