//! A world for the core's tests: it believes every action, checks it against the rules
//! ([`rules`]), and knows what the core should know.

mod bucket;
mod rules;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use kiln_types::{
    AccountId, Clock, FunctionId, InstanceId, ManualClock, MemoryMb, Moment, RevisionId, Slots,
    Version,
};

use super::{Action, Core, Event, FunctionKey, Provision, Ticket};
use crate::config::Config;
use crate::refusal::{Refused, ThrottleReason};
use bucket::Bucket;

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
    /// How many invocations one of its instances takes at a time.
    pub(super) slots: Slots,
    pub(super) reserved: Option<u32>,
}

pub(super) struct World {
    pub(super) core: Core,
    pub(super) clock: ManualClock,
    pub(super) config: Config,
    pub(super) functions: Vec<Function>,
    pub(super) account_limit: u32,
    instances: BTreeMap<InstanceId, (FunctionKey, Doing)>,
    /// How many invocations a busy instance runs.
    running: BTreeMap<InstanceId, u32>,
    waiting: BTreeMap<Ticket, Waiting>,
    granted: HashMap<Ticket, InstanceId>,
    retired: BTreeSet<InstanceId>,
    /// The keys whose specs the driver keeps.
    known: HashSet<FunctionKey>,
    buckets: Vec<Bucket>,
    ticket_last: u64,
    idle_last: u64,
    halted: bool,
}

impl World {
    /// A world with functions of these sizes, all in one account.
    pub(super) fn new(config: Config, memories: &[u64]) -> Self {
        let functions: Vec<_> = memories.iter().map(|memory| (0, *memory)).collect();
        Self::of_accounts(config, &functions)
    }

    /// A world with functions of these accounts and sizes.
    pub(super) fn of_accounts(config: Config, functions: &[(usize, u64)]) -> Self {
        let buckets = functions.iter().map(|_| Bucket::default()).collect();
        let functions = functions.iter().enumerate();
        let functions = functions.map(|(no, (account, memory))| Function {
            id: FunctionId {
                account: format!("{account:012}").parse().unwrap(),
                name: format!("f{no}").parse().unwrap(),
            },
            revision: RevisionId::random(),
            memory: MemoryMb::new(*memory).unwrap(),
            slots: Slots::default(),
            reserved: None,
        });
        Self {
            core: Core::new(config.clone()),
            clock: ManualClock::default(),
            account_limit: config.account_concurrency,
            functions: functions.collect(),
            config,
            instances: BTreeMap::new(),
            running: BTreeMap::new(),
            waiting: BTreeMap::new(),
            granted: HashMap::new(),
            retired: BTreeSet::new(),
            known: HashSet::new(),
            buckets,
            ticket_last: 0,
            idle_last: 0,
            halted: false,
        }
    }

    pub(super) fn key(&self, function: usize) -> FunctionKey {
        let function = &self.functions[function];
        let (id, revision) = (function.id.clone(), function.revision);
        FunctionKey {
            tenant: None,
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
        let Function {
            memory,
            slots,
            reserved,
            ..
        } = self.functions[function];
        let actions = self.tell(Event::Requested {
            ticket,
            key,
            memory,
            slots,
            reserved,
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
        if self.in_flight_now(function) < self.wanted(function) {
            return None;
        }
        let account = &self.functions[function].id.account;
        let of_account = |other: &usize| self.functions[*other].id.account == *account;
        let others = || (0..self.functions.len()).filter(of_account);
        let reserved: u32 = others()
            .map(|function| {
                let wanted = self.wanted(function) as u32;
                self.functions[function].reserved.unwrap_or(wanted)
            })
            .sum();
        let unreserved = others()
            .filter(|function| self.functions[*function].reserved.is_none())
            .map(|function| self.beyond(function))
            .sum::<usize>();
        let full = unreserved >= self.account_limit.saturating_sub(reserved) as usize;
        full.then_some(ThrottleReason::AccountConcurrency)
    }

    /// How many instances of a function's current revision are promised.
    fn wanted(&self, function: usize) -> usize {
        let readiness = self.core.readiness(&self.key(function));
        readiness.map_or(0, |readiness| readiness.wanted as usize)
    }

    /// Its requests beyond those.
    fn beyond(&self, function: usize) -> usize {
        let provisioned = self.in_flight_now(function).min(self.wanted(function));
        self.in_flight(function) - provisioned
    }

    /// Its requests of the current revision.
    fn in_flight_now(&self, function: usize) -> usize {
        let key = self.key(function);
        let waiting = self.waiting.values().filter(|one| one.key == key).count();
        let of_key = |one: &&InstanceId| self.instances[*one].0 == key;
        let running = self.running.keys().filter(of_key);
        waiting
            + running
                .map(|one| self.running(*one) as usize)
                .sum::<usize>()
    }

    pub(super) fn in_flight(&self, function: usize) -> usize {
        let id = &self.functions[function].id;
        let waiting = self
            .waiting
            .values()
            .filter(|one| one.function == function)
            .count();
        let runs = |one: &InstanceId| self.instances[one].0.id == *id;
        let running = self.running.iter().filter(|(one, _)| runs(one));
        waiting + running.map(|(_, count)| *count as usize).sum::<usize>()
    }

    /// How many invocations an instance runs.
    pub(super) fn running(&self, instance: InstanceId) -> u32 {
        self.running.get(&instance).copied().unwrap_or_default()
    }

    /// How many instances of this key take at a time.
    fn slots(&self, key: &FunctionKey) -> u32 {
        let of_key = |one: &&Function| one.id == key.id;
        let function = self.functions.iter().find(of_key);
        function.expect("keys are of known functions").slots.get()
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
            self.believe(action.clone(), &bound);
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
                self.running.remove(instance);
            }
            Event::Retired { function, keep } => {
                let at = self.functions.iter().position(|one| one.id == *function);
                self.buckets[at.unwrap()].unknown |= keep.is_none();
                let outdated = |key: &FunctionKey| {
                    key.id == *function && keep.is_none_or(|keep| keep != key.revision)
                };
                let ids = self.instances.iter().filter(|(_, (key, _))| outdated(key));
                self.retired.extend(ids.map(|(id, _)| *id));
            }
            Event::Halt => self.halted = true,
            Event::Expected { key, .. } => {
                self.known.insert(key.clone());
            }
            Event::Released { instance, .. } if self.running(*instance) > 1 => {
                self.running.insert(*instance, self.running(*instance) - 1);
            }
            Event::Provisioned { wanted, .. } if !self.core.is_draining() => {
                self.known.extend(wanted.iter().map(|one| one.key.clone()));
            }
            Event::Released { instance, .. } | Event::Started { instance, .. } => {
                self.running.remove(instance);
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

    /// Which function an instance is of.
    pub(super) fn function_of(&self, instance: InstanceId) -> usize {
        let (key, _) = &self.instances[&instance];
        let at = self.functions.iter().position(|one| one.id == key.id);
        at.expect("instances are of known functions")
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

    /// Announces a request of a function.
    pub(super) fn expect(&mut self, function: usize, after: Duration) -> Vec<Action> {
        self.tell(Event::Expected {
            key: self.key(function),
            memory: self.functions[function].memory,
            slots: self.functions[function].slots,
            at: self.clock.now() + after,
        })
    }

    /// Promises a function's current revision so many instances.
    pub(super) fn provision(&mut self, function: usize, count: u32) -> Vec<Action> {
        let one = &self.functions[function];
        self.tell(Event::Provisioned {
            function: one.id.clone(),
            wanted: vec![Provision {
                key: self.key(function),
                memory: one.memory,
                slots: one.slots,
                count,
            }],
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
            concurrency: Some(concurrency),
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
            while self.doing(instance) == Some(Doing::Busy) {
                self.release(instance);
            }
            self.tell(Event::Ended { instance });
        }
        let core = &self.core;
        assert!(core.is_empty());
        assert!(core.orders.are_empty() && core.plans.is_empty());
        assert!(core.tickets.is_empty() && core.deadlines.is_empty());
        assert!(core.pool_of.is_empty() && core.parked.is_empty());
        assert!(core.unprovided.is_empty() && core.retries.is_empty());
        assert!(self.known.is_empty(), "specs are not kept for ever");
        assert!(core.turns.first().is_none());
        assert!(core.functions.iter().all(|one| one.share.held_mb() == 0));
        assert!(core.accounts.iter().all(|one| one.share.held_mb() == 0));
        assert_eq!(core.live.memory_mb + core.live_idle.memory_mb, 0);
        assert_eq!(core.live_stopping.memory_mb, 0);
        assert_eq!(core.live_closing.memory_mb, 0);
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
        Action::Grant {
            ticket, instance, ..
        } => Some((*ticket, *instance)),
        _ => None,
    };
    actions.iter().filter_map(grant).collect()
}
