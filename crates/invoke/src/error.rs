//! Why there is no outcome. Nothing ran, unless a variant says otherwise.

use std::time::Duration;

use kiln_scheduler::ThrottleReason;
use kiln_types::{FunctionId, Qualifier, State};

/// The invocation has no outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such function, or no such version or alias of it.
    #[error("there is no function {}{}", .function.name, .qualifier.as_ref().map(|q| format!(":{q}")).unwrap_or_default())]
    NotFound {
        /// The function.
        function: FunctionId,
        /// What was asked for of it.
        qualifier: Option<Qualifier>,
    },
    /// The version cannot be invoked now.
    #[error("the function is not ready: its state is {0:?}; wait until it is Active")]
    NotReady(State),
    /// The version is being initialised for its snapshot. A retry is safe.
    #[error("a snapshot of the version is being taken; wait until its state is Active")]
    AwaitsSnapshot,
    /// A hook of the function failed after its instance was made of a snapshot. The handler did not run;
    /// the function's log says more. A retry is safe.
    #[error("a hook of the function failed after the restore")]
    RestoreFailed,
    /// The instance could not be made of its snapshot in time, hooks included. The handler did not
    /// run; a retry is safe.
    #[error("the function's snapshot could not be restored in time")]
    RestoreTimedOut,
    /// The function tells its tenants apart, and the invocation is for none.
    #[error("the function has tenants of its own: name the one that it is to run for")]
    TenantMissing,
    /// The function does not, and the invocation is for one.
    #[error("the function has no tenants of its own: name none")]
    TenantUnexpected,
    /// The event is too large.
    #[error("the event has {bytes} bytes, and {bytes_max} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// A limit on concurrency, on the rate of starts, or of the server's capacity.
    #[error("{reason}; retry in {retry_after:?}")]
    Throttled {
        /// Which.
        reason: ThrottleReason,
        /// When another attempt may succeed.
        retry_after: Duration,
    },
    /// One instance needs more memory than the server may give to all. A retry does not help.
    #[error(
        "the function needs {memory_mb} MB of memory and this server's budget is {budget_mb} MB; \
         lower its MemorySize or raise --memory-budget-mb"
    )]
    OverBudget {
        /// What the function asks for.
        memory_mb: u32,
        /// What all instances together may have.
        budget_mb: u64,
    },
    /// The function has a file system that this server does not have any more.
    #[error(
        "this server has no file system {0}; name it with --file-system, or take it from the function"
    )]
    NoFileSystem(String),
    /// No instance could be started. A retry is safe, but the cause is likely to stay.
    #[error("start an instance of the function: {0}")]
    StartFailed(String),
    /// The function's code is not what was uploaded, or is not trusted any more. The text says what helps.
    #[error("the function's code must not run: {0}")]
    Untrusted(String),
    /// The server shuts down, or lost two instances in a row. A retry is safe.
    #[error("the invocation did not run: {0}; retry")]
    Unavailable(&'static str),
    /// The chain of invocations that led here has been in this function too often.
    #[error(
        "the function is invoked in a loop; it was stopped after {} times",
        kiln_types::limits::RECURSION_HOPS_MAX
    )]
    Recursive,
    /// There is no room for another asynchronous event. A retry is safe, and helps once others are done.
    #[error("the queue of asynchronous events is full: it holds {} MiB", .bytes_max >> 20)]
    QueueFull {
        /// What events, dead letters and messages may take together.
        bytes_max: u64,
    },
    /// The asynchronous event could not be written to disk. A retry is safe.
    #[error("keep the event: {0}")]
    NotKept(String),
    /// The invocation was handed over and its outcome is not known: a bug. A retry may run the
    /// function twice.
    #[error("the outcome of the invocation is unknown: a task that ran it failed")]
    Unknown,
}
