//! A world for the core's tests: it believes every action, checks it against the rules, and knows what
//! the core should know.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use kiln_types::{
    AccountId, Clock, FunctionId, InstanceId, ManualClock, MemoryMb, Moment, RevisionId, Version,
};

use super::{Action, Core, Event, FunctionKey, Ticket};
use crate::config::Config;
use crate::refusal::{Refused, ThrottleReason};

/// What a live instance does, as the world sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    Starting,
    Busy,
    /// Since when, how many became idle before it, and whether frozen.
    Idle(Moment, u64, bool),
    Stopping,
}

#[derive(Debug)]
struct Waiting {
    function: usize,
    key: FunctionKey,
    since: Moment,
}

/// A function that tests speak of by its number.
pub(super) struct Function {
    pub(super) id: FunctionId,
    pub(super) revision: RevisionId,
    pub(super) memory: MemoryMb,
    pub(super) reserved: Option<u32>,
}

pub(super) struct World {
    pub(super) core: Core,
    pub(super) clock: ManualClock,
    pub(super) config: Config,
    pub(super) functions: Vec<Function>,
    pub(super) account_limit: u32,
    instances: BTreeMap<InstanceId, (FunctionKey, Doing)>,
    waiting: BTreeMap<Ticket, Waiting>,
    granted: HashMap<Ticket, InstanceId>,
    retired: BTreeSet<InstanceId>,
    ticket_last: u64,
    idle_last: u64,
    halted: bool,
}

impl World {
    /// A world with functions of these sizes, all in one account.
    pub(super) fn new(config: Config, memories: &[u64]) -> Self {
        let functions = memories.iter().enumerate().map(|(no, memory)| Function {
            id: FunctionId {
                account: AccountId::default(),
                name: format!("f{no}").parse().unwrap(),
            },
            revision: RevisionId::random(),
            memory: MemoryMb::new(*memory).unwrap(),
            reserved: None,
        });
        Self {
            core: Core::new(config.clone()),
            clock: ManualClock::default(),
            account_limit: config.account_concurrency,
            functions: functions.collect(),
            config,
            instances: BTreeMap::new(),
            waiting: BTreeMap::new(),
            granted: HashMap::new(),
            retired: BTreeSet::new(),
            ticket_last: 0,
            idle_last: 0,
            halted: false,
        }
    }

    pub(super) fn key(&self, function: usize) -> FunctionKey {
        let function = &self.functions[function];
        let (id, revision) = (function.id.clone(), function.revision);
        FunctionKey {
            id,
            version: Version::Latest,
            revision,
        }
    }

    /// A request; checks that it is refused exactly when a concurrency limit says so.
    pub(super) fn request(&mut self, function: usize) -> (Ticket, Vec<Action>) {
        self.ticket_last += 1;
        let ticket = Ticket(self.ticket_last);
        let key = self.key(function);
        let limited = self.limited(function);
        let since = self.clock.now();
        self.waiting.insert(
            ticket,
            Waiting {
                function,
                key: key.clone(),
                since,
            },
        );
        let memory = self.functions[function].memory;
        let actions = self.tell(Event::Requested {
            ticket,
            key,
            memory,
        });
        let refused = refusals(&actions).find(|(refused, _)| *refused == ticket);
        let by_concurrency = refused.map(|(_, refused)| refused.reason).filter(|reason| {
            use ThrottleReason::{AccountConcurrency, ReservedConcurrency};
            matches!(reason, AccountConcurrency | ReservedConcurrency)
        });
        assert_eq!(
            by_concurrency, limited,
            "concurrency limits refuse exactly at the limit"
        );
        (ticket, actions)
    }

    /// The concurrency limit that a request of this function meets now.
    fn limited(&self, function: usize) -> Option<ThrottleReason> {
        if let Some(reserved) = self.functions[function].reserved {
            let full = self.in_flight(function) >= reserved as usize;
            return full.then_some(ThrottleReason::ReservedConcurrency);
        }
        let reserved: u32 = self
            .functions
            .iter()
            .filter_map(|function| function.reserved)
            .sum();
        let unreserved = (0..self.functions.len())
            .filter(|function| self.functions[*function].reserved.is_none())
            .map(|function| self.in_flight(function))
            .sum::<usize>();
        let full = unreserved >= self.account_limit.saturating_sub(reserved) as usize;
        full.then_some(ThrottleReason::AccountConcurrency)
    }

    pub(super) fn in_flight(&self, function: usize) -> usize {
        let id = &self.functions[function].id;
        let waiting = self
            .waiting
            .values()
            .filter(|one| one.function == function)
            .count();
        let busy = |(key, doing): &&(FunctionKey, Doing)| key.id == *id && *doing == Doing::Busy;
        waiting + self.instances.values().filter(busy).count()
    }

    /// Tells the core, believes what it answers, and checks everything.
    pub(super) fn tell(&mut self, event: Event) -> Vec<Action> {
        self.before(&event);
        let actions = self.core.on(event, self.clock.now());
        let bound: BTreeSet<InstanceId> = actions
            .iter()
            .filter_map(|action| match action {
                Action::Start {
                    instance,
                    bound: true,
                    ..
                } => Some(*instance),
                _ => None,
            })
            .collect();
        for action in &actions {
            self.believe(*action, &bound);
        }
        self.settle(&actions);
        self.check();
        actions
    }

    /// What the event itself changes in the world.
    fn before(&mut self, event: &Event) {
        match event {
            Event::Abandoned { ticket } => {
                self.waiting.remove(ticket);
            }
            Event::Ended { instance } => {
                self.instances.remove(instance);
            }
            Event::Retired { function, keep } => {
                let outdated = |key: &FunctionKey| {
                    key.id == *function && keep.is_none_or(|keep| keep != key.revision)
                };
                let ids = self.instances.iter().filter(|(_, (key, _))| outdated(key));
                self.retired.extend(ids.map(|(id, _)| *id));
            }
            Event::Halt => self.halted = true,
            Event::Released { instance, .. } | Event::Started { instance, .. } => {
                if let Some((_, doing)) = self.instances.get_mut(instance)
                    && matches!(doing, Doing::Busy | Doing::Starting)
                {
                    self.idle_last += 1;
                    *doing = Doing::Idle(self.clock.now(), self.idle_last, false);
                }
            }
            _ => {}
        }
    }

    fn believe(&mut self, action: Action, bound: &BTreeSet<InstanceId>) {
        match action {
            Action::Start { instance, like, .. } => {
                let key = self.waiting[&like].key.clone();
                let fresh = self
                    .instances
                    .insert(instance, (key, Doing::Starting))
                    .is_none();
                assert!(fresh, "instances get names of their own");
            }
            Action::Grant { ticket, instance } => {
                let asked = self
                    .waiting
                    .remove(&ticket)
                    .expect("only who waits is granted, once");
                let (key, doing) = self.instances[&instance].clone();
                assert_eq!(key, asked.key, "instances are not shared between keys");
                match doing {
                    Doing::Idle(_, turn, _) => self.check_turn(&key, ticket, turn),
                    Doing::Starting => assert!(bound.contains(&instance), "granted unready"),
                    _ => panic!("one invocation per instance: {instance} is {doing:?}"),
                }
                self.instances.get_mut(&instance).unwrap().1 = Doing::Busy;
                self.granted.insert(ticket, instance);
            }
            Action::Refuse { ticket, refused } => {
                let asked = self
                    .waiting
                    .remove(&ticket)
                    .expect("only who waits is refused, once");
                let fits = self.functions[asked.function].memory.bytes()
                    <= self.config.memory_budget_bytes;
                if refused.reason == ThrottleReason::Capacity && fits {
                    let waited = self.clock.now().since(asked.since);
                    assert!(
                        waited >= self.config.memory_wait,
                        "refused after {waited:?}"
                    );
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
            }
            Action::Kill { instance } => {
                assert!(self.halted, "only a halt kills");
                assert_eq!(self.doing(instance), Some(Doing::Stopping));
            }
        }
    }

    /// Whoever gets an instance that comes back asked first; who gets an idle one gets the
    /// most recently used.
    fn check_turn(&self, key: &FunctionKey, ticket: Ticket, turn: u64) {
        for (other, waiting) in &self.waiting {
            assert!(
                waiting.key != *key || *other > ticket,
                "{other:?} asked before {ticket:?}"
            );
        }
        for (other, doing) in self.instances.values() {
            if let Doing::Idle(_, other_turn, _) = doing {
                assert!(
                    other != key || *other_turn <= turn,
                    "a more recently used one is idle"
                );
            }
        }
    }

    fn settle(&mut self, actions: &[Action]) {
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
    fn check(&self) {
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
        }
        for pool in self.core.pools.iter() {
            let waiting = pool.covered.len() + pool.uncovered.len();
            let covered = waiting.min(pool.starting as usize);
            assert_eq!(
                pool.covered.len(),
                covered,
                "each start covers one who waits"
            );
            assert!(
                pool.uncovered.is_empty() || pool.in_rotation,
                "who lacks memory has a turn"
            );
        }
        let starting = total.starting;
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
            assert!(
                !room,
                "nobody waits for memory while there is room for anybody"
            );
        }
    }

    pub(super) fn count(&self, which: impl Fn(Doing) -> bool) -> usize {
        self.instances
            .values()
            .filter(|(_, doing)| which(*doing))
            .count()
    }

    /// The `n`-th of the instances that do this, counted around.
    pub(super) fn pick(&self, n: usize, which: impl Fn(Doing) -> bool) -> Option<InstanceId> {
        let ids: Vec<_> = self
            .instances
            .iter()
            .filter(|(_, (_, doing))| which(*doing))
            .map(|(id, _)| *id)
            .collect();
        (!ids.is_empty()).then(|| ids[n % ids.len()])
    }

    pub(super) fn pick_waiting(&self, n: usize) -> Option<Ticket> {
        let tickets: Vec<_> = self.waiting.keys().copied().collect();
        (!tickets.is_empty()).then(|| tickets[n % tickets.len()])
    }

    pub(super) fn doing(&self, instance: InstanceId) -> Option<Doing> {
        self.instances.get(&instance).map(|(_, doing)| *doing)
    }

    /// Who waits, with the time since when.
    pub(super) fn waits(&self) -> impl Iterator<Item = (Ticket, Moment)> {
        self.waiting
            .iter()
            .map(|(ticket, waiting)| (*ticket, waiting.since))
    }

    pub(super) fn advance(&mut self, by: Duration) -> Vec<Action> {
        self.clock.advance(by);
        self.tell(Event::Tick)
    }

    pub(super) fn release(&mut self, instance: InstanceId) -> Vec<Action> {
        self.tell(Event::Released {
            instance,
            usable: true,
            init: None,
        })
    }

    pub(super) fn set_reserved(&mut self, function: usize, concurrency: Option<u32>) {
        self.functions[function].reserved = concurrency;
        let function = self.functions[function].id.clone();
        self.tell(Event::Reserved {
            function,
            concurrency,
        });
    }

    pub(super) fn set_account_limit(&mut self, concurrency: u32) {
        self.account_limit = concurrency;
        self.tell(Event::AccountLimit {
            account: AccountId::default(),
            concurrency,
        });
    }

    /// Gives a function a new revision, as a change of its code does.
    pub(super) fn update(&mut self, function: usize) -> Vec<Action> {
        let revision = RevisionId::random();
        self.functions[function].revision = revision;
        let function = self.functions[function].id.clone();
        self.tell(Event::Retired {
            function,
            keep: Some(revision),
        })
    }

    /// Shuts down and lets everything end; nothing may be left.
    pub(super) fn close(mut self) {
        self.tell(Event::Drain);
        assert_eq!(self.waiting.len(), 0, "everybody has an answer");
        while let Some(instance) = self.pick(0, |_| true) {
            if self.doing(instance) == Some(Doing::Busy) {
                self.release(instance);
            }
            self.tell(Event::Ended { instance });
        }
        let core = &self.core;
        assert!(core.is_empty());
        assert!(core.idle.is_empty() && core.tickets.is_empty() && core.deadlines.is_empty());
        assert!(core.pool_of.is_empty() && core.rotation.is_empty());
        assert_eq!(core.live.memory_mb + core.live_idle.memory_mb, 0);
        assert_eq!(core.live_stopping.memory_mb, 0);
        assert!(
            core.functions
                .iter()
                .all(|function| function.in_flight == 0)
        );
        assert!(
            core.accounts
                .iter()
                .all(|account| account.unreserved_in_flight == 0)
        );
    }
}

pub(super) fn refusals(actions: &[Action]) -> impl Iterator<Item = (Ticket, Refused)> {
    actions.iter().filter_map(|action| match action {
        Action::Refuse { ticket, refused } => Some((*ticket, *refused)),
        _ => None,
    })
}

/// Who was granted which instance.
pub(super) fn grants(actions: &[Action]) -> Vec<(Ticket, InstanceId)> {
    let grant = |action: &Action| match action {
        Action::Grant { ticket, instance } => Some((*ticket, *instance)),
        _ => None,
    };
    actions.iter().filter_map(grant).collect()
}
