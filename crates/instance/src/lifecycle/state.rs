//! Where an instance is in its life; each state carries only what is valid in it.

use std::time::Duration;

use kiln_types::{Moment, RequestId};

/// Where an instance is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// A sandbox is being leased.
    Starting {
        /// On whose time.
        phase: Phase,
        /// Since when.
        since: Moment,
        /// The invocation that comes first.
        waiting: Option<RequestId>,
    },
    /// The runtime loads the function.
    Initialising {
        /// On whose time.
        phase: Phase,
        /// Since when; on the time of an invocation, since it came.
        since: Moment,
        /// The invocation that comes first; the runtime has it already.
        waiting: Option<RequestId>,
    },
    /// Init failed before any invocation came. The first one has the function initialised again, on
    /// its own time; until then there is no process.
    Unloaded,
    /// Ready for an invocation.
    Idle {
        /// Whether its processes are frozen.
        frozen: bool,
        /// How long init took, until an invocation has reported it.
        init: Option<Duration>,
    },
    /// Runs an invocation.
    Busy {
        /// Which.
        request: RequestId,
        /// Since when it has it.
        since: Moment,
        /// When its time is up.
        deadline: Moment,
        /// How long init took, when this is the first invocation.
        init: Option<Duration>,
    },
    /// Runs invocations of a function that asked for several at a time. Which is for the
    /// [`Crowd`](super::Crowd) to know.
    Crowded {
        /// Why it ends when the last of them is over; none when it takes others.
        ends: Option<Reason>,
    },
    /// Has answered an invocation and is not done with it: the runtime, or an extension, does not
    /// wait for the next one yet.
    Settling {
        /// Since when it had the invocation.
        since: Moment,
        /// When the invocation's time is up.
        deadline: Moment,
    },
    /// Says farewell: first the runtime is asked to end, then external extensions are.
    ShuttingDown {
        /// Why.
        reason: Reason,
        /// Who is waited for.
        step: Step,
        /// When the time for that is up.
        until: Moment,
        /// When the time for all of it is up.
        deadline: Moment,
    },
    /// Killed, not gone yet.
    Stopping,
    /// Nothing is left.
    Stopped,
}

/// On whose time a function is initialised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The init phase, before any invocation.
    Init,
    /// The first invocation, because the init phase failed.
    Invoke,
}

impl Phase {
    /// AWS's name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Invoke => "invoke",
        }
    }
}

/// Who is to hear that the instance ends, and so how long that takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Farewell {
    /// Nobody: it is killed.
    #[default]
    None,
    /// The runtime, because it has internal extensions.
    Runtime,
    /// The runtime and external extensions.
    Extensions,
}

/// Why an instance ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Nobody needs it.
    Spindown,
    /// An invocation took too long.
    Timeout,
    /// The runtime or an extension failed.
    Failure,
}

impl Reason {
    /// AWS's name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Spindown => "spindown",
            Self::Timeout => "timeout",
            Self::Failure => "failure",
        }
    }
}

/// Whom a farewell waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The runtime, which was asked to end.
    Runtime {
        /// Whether external extensions are next.
        extensions: bool,
    },
    /// External extensions.
    Extensions {
        /// Whether the runtime's process has ended.
        runtime_ended: bool,
    },
}

/// Why init failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InitFailure {
    /// The runtime said so and why.
    Error,
    /// Its time was up.
    TimedOut,
    /// The process ended.
    Exited,
    /// The runtime broke the protocol.
    Broken,
    /// Its program cannot be executed.
    NotExecutable,
    /// An extension could not be launched, or ended.
    Extension,
    /// A hook that runs after the restore failed.
    Hook,
    /// The time for making it of a snapshot, hooks included, was up.
    RestoreTimedOut,
}

impl InitFailure {
    /// Whether the caller is told at once, as on AWS: initialising instead would hide it, and run
    /// hooks a second time.
    pub(crate) fn is_of_restore(self) -> bool {
        matches!(self, InitFailure::Hook | InitFailure::RestoreTimedOut)
    }
}
