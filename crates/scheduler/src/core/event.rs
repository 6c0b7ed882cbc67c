//! What the core is told.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use kiln_types::{
    AccountId, FunctionId, InstanceId, MemoryMb, Moment, RevisionId, Slots, TenantId, Version,
};

/// Names one request for an instance. Tickets are counted up: the smaller asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What an instance runs. Instances are never shared between keys: a new revision of the code or
/// of the configuration gets new ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionKey {
    /// The function.
    pub id: FunctionId,
    /// Which version of it.
    pub version: Version,
    /// Which state of that version.
    pub revision: RevisionId,
    /// For which tenant, of a function that tells them apart.
    pub tenant: Option<TenantId>,
}

/// By the revision and the tenant alone: a revision is random and new with every change, so it tells keys apart as well as
/// the whole key does, without reading the names.
impl Hash for FunctionKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.revision.hash(state);
        if let Some(tenant) = &self.tenant {
            tenant.hash(state);
        }
    }
}

/// Instances of a version that are to be kept ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provision {
    /// Of which version.
    pub key: FunctionKey,
    /// What each of them is promised.
    pub memory: MemoryMb,
    /// How many invocations each takes at a time.
    pub slots: Slots,
    /// How many they are.
    pub count: u32,
}

/// Something happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// An invocation needs an instance. Answered by one `Grant` or one `Refuse`, now or later.
    Requested {
        /// Names the request; greater than every ticket before.
        ticket: Ticket,
        /// What is to run.
        key: FunctionKey,
        /// What it is promised.
        memory: MemoryMb,
        /// How many invocations one of its instances takes at a time.
        slots: Slots,
        /// The function's reserved concurrency as of now: a change counts from the next request on,
        /// whether or not `Reserved` has told of it yet.
        reserved: Option<u32>,
    },
    /// Whoever asked no longer waits. Unknown or already answered tickets are ignored.
    Abandoned {
        /// The request.
        ticket: Ticket,
    },
    /// A request is known in advance, as that of a schedule is: an instance is started ahead of it
    /// when there is room.
    Expected {
        /// What is to run.
        key: FunctionKey,
        /// What it is promised.
        memory: MemoryMb,
        /// How many invocations one of its instances takes at a time.
        slots: Slots,
        /// When.
        at: Moment,
    },
    /// How many instances of each version of a function are to be kept ready; of versions not named,
    /// none.
    Provisioned {
        /// Which function.
        function: FunctionId,
        /// What each is promised.
        wanted: Vec<Provision>,
    },
    /// An instance that was started without an invocation finished its init.
    Started {
        /// Which.
        instance: InstanceId,
        /// How long the init took.
        init: Duration,
    },
    /// An invocation ended and gives its place in an instance back. Ignored when the instance has ended.
    Released {
        /// Which.
        instance: InstanceId,
        /// Whether it can take another invocation.
        usable: bool,
        /// How long init took, when this was the instance's first invocation.
        init: Option<Duration>,
    },
    /// An instance is gone and its memory free, whatever the reason and whatever it did before.
    Ended {
        /// Which.
        instance: InstanceId,
    },
    /// Time passed: see [`super::Core::deadline`].
    Tick,
    /// A function's code or configuration changed, or it was deleted.
    Retired {
        /// Which.
        function: FunctionId,
        /// The revision of `$LATEST` that stays; none ends every instance of the function.
        keep: Option<RevisionId>,
    },
    /// A function is there, with this reserved concurrency; also when that was set or taken away.
    Reserved {
        /// Which.
        function: FunctionId,
        /// How much.
        concurrency: Option<u32>,
    },
    /// An account's concurrency was set.
    AccountLimit {
        /// Whose.
        account: AccountId,
        /// How much; none is what every account has.
        concurrency: Option<u32>,
    },
    /// An account is erased: end everything of it, and what was told so before and still runs at once.
    Expelled {
        /// Which.
        account: AccountId,
    },
    /// The machine runs short of memory: end idle instances, those that are worth least first, until
    /// they were promised this much together.
    MemoryPressure {
        /// How much is wanted back.
        bytes: u64,
    },
    /// The server shuts down: refuse everything, end what is idle and, later, what comes back.
    Drain,
    /// The time for a gentle shutdown is over: end everything.
    Halt,
}
