//! Why a function gave no outcome, for clients who know HTTP and not Lambda.

use std::time::Duration;

use kiln_invoke::{Error, ThrottleReason};
use kiln_types::FunctionId;

/// As much of it as is a client's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// There is no such function.
    NotFound,
    /// There is no room for the invocation now.
    Throttled {
        reason: ThrottleReason,
        retry_after: Duration,
    },
    /// The event is too large.
    TooLarge,
    /// The function cannot run now.
    NotNow,
    /// Something is wrong that the client cannot help; the log says what.
    Internal,
}

impl Failure {
    /// Sorts an error, and logs what only the log is told.
    pub(crate) fn of(error: Error, function: &FunctionId) -> Self {
        match error {
            Error::NotFound { .. } => Self::NotFound,
            Error::Throttled {
                reason,
                retry_after,
            } => Self::Throttled {
                reason,
                retry_after,
            },
            Error::TooLarge { .. } => Self::TooLarge,
            Error::NotReady(_) | Error::AwaitsSnapshot | Error::Unavailable(_) => Self::NotNow,
            Error::StartFailed(why) => {
                tracing::error!(%function, why, "could not start an instance");
                Self::Internal
            }
            // Who found it has logged it.
            Error::Untrusted(_) => Self::Internal,
            Error::NoFileSystem(file_system) => {
                tracing::warn!(%function, file_system, "a function's file system is gone");
                Self::Internal
            }
            Error::OverBudget {
                memory_mb,
                budget_mb,
            } => {
                tracing::warn!(%function, memory_mb, budget_mb, "a function is larger than --memory-budget-mb allows");
                Self::Internal
            }
            Error::Recursive => {
                tracing::info!(%function, "a loop of invocations over HTTP was stopped");
                Self::Internal
            }
            Error::TenantMissing | Error::TenantUnexpected => {
                tracing::info!(%function, "a request over HTTP names no tenant");
                Self::Internal
            }
            // The last two are of events that are kept, which nobody does here.
            Error::RestoreFailed
            | Error::RestoreTimedOut
            | Error::Unknown
            | Error::QueueFull { .. }
            | Error::NotKept(_) => Self::Internal,
        }
    }
}
