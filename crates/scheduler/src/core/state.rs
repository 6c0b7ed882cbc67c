//! What the core remembers: instances, pools, functions, accounts and memory.
//!
//! ```text
//!            Start(bound)                    Released(usable), nobody waits
//!          ┌─────────────► Busy ───────────────────────────────► Idle ── grace ─► Idle(frozen)
//!  (none) ─┤                ▲ ▲  ◄────────── Requested ────────── │                  │
//!          └─► Starting ────┘ └── Released(usable), next waiter   │ keep-alive, LRU, │
//!                │   Started, somebody waits                      ▼ retired          ▼
//!                └── Started, nobody waits ─► Idle            Stopping ── Ended ─► (none)
//! ```
//! `Ended` leads from every state to none. What is started ahead of need begins as Starting.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use kiln_types::{FunctionId, InstanceId, Moment};

use super::arena::No;
use super::event::{FunctionKey, Ticket};
use super::provisioned::Provisioned;
use super::turns::{Share, Turns};
use crate::keep_alive::Habit;
use crate::refusal::ThrottleReason;

/// One live instance.
pub(super) struct Instance {
    pub(super) pool: No<Pool>,
    pub(super) state: State,
    /// How many requests have it.
    pub(super) granted: u32,
    /// It is given to nobody any more, and ends when those that have it are done.
    pub(super) closing: bool,
    /// Started ahead of need, and not used yet.
    pub(super) ahead: bool,
    /// One of those that its pool was promised.
    pub(super) provisioned: bool,
}

/// An idle instance in its pool.
pub(super) struct Resting {
    pub(super) id: InstanceId,
    pub(super) since: Moment,
    /// The inflation of ranks when it became idle.
    pub(super) inflation: u64,
}

/// What an instance does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// In its init, granted to nobody yet.
    Starting,
    /// Granted, to one or to several.
    Busy,
    /// Waits for work. `turn` orders by the time of becoming idle.
    Idle { turn: u64, frozen: bool },
    /// Told to end; its memory is not free yet.
    Stopping,
}

/// What an idle instance is worth, and among equals how many became idle before it.
pub(super) type Rank = (u64, u64);

/// The instances of one key, and who waits for one.
pub(super) struct Pool {
    pub(super) key: FunctionKey,
    pub(super) function: No<Function>,
    pub(super) memory_mb: u64,
    /// How many requests may have one of its instances at a time.
    pub(super) slots: u32,
    /// Busy instances that others may have too, by how many have them.
    pub(super) open: BTreeSet<(u32, InstanceId)>,
    /// By turn: the last is the most recently used.
    pub(super) idle: BTreeMap<u64, Resting>,
    /// Those that are kept ready; none of them is in `idle`.
    pub(super) provisioned: Provisioned,
    /// How long an idle instance is kept, as the policy said last.
    pub(super) keep: Duration,
    /// Until when the last idle instance is kept, whatever the policy said.
    pub(super) hold_until: Moment,
    /// Its place in the order of expiries, ...
    pub(super) expiry: Option<Moment>,
    /// ... and in the order of ranks.
    pub(super) rank: Option<Rank>,
    /// When instances are started ahead of need, and until when one is kept then.
    pub(super) plans: BTreeMap<Moment, Moment>,
    /// The start of the plan that is the policy's.
    pub(super) foretold: Option<Moment>,
    pub(super) frozen: u32,
    pub(super) starting: u32,
    pub(super) busy: u32,
    pub(super) stopping: u32,
    /// Granted and waiting requests.
    pub(super) in_flight: u32,
    /// Requests for each of which an instance is starting: the oldest ones.
    pub(super) covered: BTreeSet<Ticket>,
    /// Requests for which nothing could be started yet, all younger than the covered ones.
    pub(super) uncovered: BTreeSet<Ticket>,
    /// Whether the pool stands in its function's queue: while it has uncovered requests.
    pub(super) queued: bool,
    /// Whether the driver keeps what is needed to start an instance without a request.
    pub(super) known: bool,
    /// What runs is out of date: nothing becomes idle any more.
    pub(super) retired: bool,
    /// What init took lately; none when unknown.
    pub(super) init: Option<Duration>,
}

/// A function, over all its versions and revisions.
pub(super) struct Function {
    pub(super) id: FunctionId,
    pub(super) account: No<Account>,
    pub(super) reserved: Option<u32>,
    /// What its pools are promised together.
    pub(super) provisioned: u32,
    /// Granted and waiting requests.
    pub(super) in_flight: u32,
    /// How many its latest version has at a time in an instance.
    pub(super) slots: u32,
    /// When the bucket of starts is full again (the "theoretical arrival time" of GCRA).
    pub(super) starts_full_at: Moment,
    /// When a start may be had again, while uncovered requests wait for that and for nothing else.
    pub(super) parked: Option<Moment>,
    pub(super) pools: Vec<No<Pool>>,
    /// Pools with uncovered requests, in the order of their turns.
    pub(super) queue: VecDeque<No<Pool>>,
    /// What its instances were promised together, without those that end; its turns among the
    /// functions of its account.
    pub(super) share: Share,
    /// How it is called, as far as the policy cares.
    pub(super) habit: Habit,
    pub(super) deleted: bool,
    pub(super) counts: Counts,
}

/// What happened to a function since the server started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that got an instance.
    pub granted: u64,
    /// Requests that had to wait for an instance to start or to come back.
    pub waited: u64,
    /// Instances started.
    pub started: u64,
    /// Those of them that were started ahead of need, ...
    pub ahead: u64,
    /// ... and then used.
    pub ahead_used: u64,
    /// Requests that found all provisioned instances busy and were served by others.
    pub spilled: u64,
    /// Idle instances ended to make room for others.
    pub evicted: u64,
    /// Idle instances ended because nobody came.
    pub expired: u64,
    /// Refusals, by [`ThrottleReason::index`].
    pub refused: [u64; ThrottleReason::ALL.len()],
}

/// An account.
pub(super) struct Account {
    pub(super) concurrency: u32,
    /// The sum of its functions' reservations, and of what those without one have provisioned.
    pub(super) reserved: u64,
    /// Granted and waiting requests of functions without a reservation, beyond what is provisioned.
    pub(super) unreserved_in_flight: u32,
    /// Its functions that wait for memory.
    pub(super) turns: Turns<No<Function>>,
    /// What the instances of its functions were promised together, without those that end; its
    /// turns among the accounts.
    pub(super) share: Share,
}

/// A request that waits.
pub(super) struct Waiter {
    pub(super) pool: No<Pool>,
    pub(super) since: Moment,
    /// When it is refused, if it is uncovered.
    pub(super) deadline: Option<Moment>,
}

/// What live instances were promised together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Promised {
    pub(super) memory_mb: u64,
    pub(super) instances: usize,
}

impl Pool {
    pub(super) fn new(key: FunctionKey, function: No<Function>, memory_mb: u64) -> Self {
        Self {
            key,
            function,
            memory_mb,
            slots: 1,
            open: BTreeSet::new(),
            idle: BTreeMap::new(),
            provisioned: Provisioned::default(),
            keep: Duration::ZERO,
            hold_until: Moment::default(),
            expiry: None,
            rank: None,
            plans: BTreeMap::new(),
            foretold: None,
            frozen: 0,
            starting: 0,
            busy: 0,
            stopping: 0,
            in_flight: 0,
            covered: BTreeSet::new(),
            uncovered: BTreeSet::new(),
            queued: false,
            known: false,
            retired: false,
            init: None,
        }
    }

    /// Whether nothing of it is left.
    pub(super) fn is_empty(&self) -> bool {
        self.idle.is_empty()
            && self.starting + self.busy + self.stopping == 0
            && self.first_waiter().is_none()
            && self.plans.is_empty()
            && self.provisioned.wanted + self.provisioned.live == 0
    }

    /// How many requests the starting instances are for.
    pub(super) fn starting_slots(&self) -> usize {
        self.starting as usize * self.slots as usize
    }

    /// Its requests beyond so many.
    pub(super) fn beyond(&self, promised: u32) -> u32 {
        self.in_flight.saturating_sub(promised)
    }

    /// The request that has waited longest.
    pub(super) fn first_waiter(&self) -> Option<Ticket> {
        self.covered
            .first()
            .or_else(|| self.uncovered.first())
            .copied()
    }

    /// Takes note of an init, giving the past three quarters of the weight.
    pub(super) fn learn(&mut self, init: Duration) {
        self.init = Some(self.init.map_or(init, |past| (past * 3 + init) / 4));
    }
}

impl Function {
    pub(super) fn new(id: FunctionId, account: No<Account>) -> Self {
        Self {
            id,
            account,
            reserved: None,
            provisioned: 0,
            in_flight: 0,
            slots: 1,
            starts_full_at: Moment::default(),
            parked: None,
            pools: Vec::new(),
            queue: VecDeque::new(),
            share: Share::default(),
            habit: Habit::default(),
            deleted: false,
            counts: Counts::default(),
        }
    }
}

impl Function {
    /// How many instances it takes to run so many at a time.
    pub(super) fn level(&self, in_flight: u32) -> u32 {
        in_flight.div_ceil(self.slots)
    }
}

impl Account {
    pub(super) fn new(concurrency: u32) -> Self {
        Self {
            concurrency,
            reserved: 0,
            unreserved_in_flight: 0,
            turns: Turns::new(),
            share: Share::default(),
        }
    }

    /// What functions without a reservation may use together, beyond what is provisioned.
    pub(super) fn unreserved(&self) -> u64 {
        u64::from(self.concurrency).saturating_sub(self.reserved)
    }
}

impl Promised {
    pub(super) fn add(&mut self, memory_mb: u64) {
        self.memory_mb += memory_mb;
        self.instances += 1;
    }

    pub(super) fn take(&mut self, memory_mb: u64) {
        self.memory_mb -= memory_mb;
        self.instances -= 1;
    }
}
