//! Why a request gets no instance.

use std::time::Duration;

/// The request gets no instance; nothing ran and a retry is safe, though useless for a function
/// that is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason}; retry in {retry_after:?}")]
pub struct Refused {
    /// Which limit was reached.
    pub reason: ThrottleReason,
    /// When another attempt may succeed.
    pub retry_after: Duration,
}

/// Which limit a request ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ThrottleReason {
    /// The account's concurrency, less what is reserved, is used up.
    AccountConcurrency,
    /// The function's reserved concurrency is used up.
    ReservedConcurrency,
    /// The function starts instances faster than its burst and refill allow, and has waited for its
    /// turn.
    StartRate,
    /// The same, for a function with reserved concurrency.
    ReservedStartRate,
    /// This server's memory or sandboxes are in use and none became free in time.
    Capacity,
    /// The server is shutting down.
    Draining,
    /// One instance needs more memory than all may have together. No retry helps.
    TooLarge,
}

impl ThrottleReason {
    /// Every reason, in the order of [`ThrottleReason::index`].
    pub const ALL: [ThrottleReason; 7] = [
        ThrottleReason::AccountConcurrency,
        ThrottleReason::ReservedConcurrency,
        ThrottleReason::StartRate,
        ThrottleReason::ReservedStartRate,
        ThrottleReason::Capacity,
        ThrottleReason::Draining,
        ThrottleReason::TooLarge,
    ];

    /// The `Reason` of AWS's `TooManyRequestsException`.
    ///
    /// AWS differs: it has no reason for a server that is full, going away or too small, of which
    /// the first two mean the same for a caller as a concurrency limit: fewer at a time, or later.
    /// And it refuses a start beyond the rate at once, where Kiln first waits a bounded time.
    pub fn aws_name(self) -> &'static str {
        match self {
            ThrottleReason::ReservedConcurrency => {
                "ReservedFunctionConcurrentInvocationLimitExceeded"
            }
            ThrottleReason::StartRate => "FunctionInvocationRateLimitExceeded",
            ThrottleReason::ReservedStartRate => "ReservedFunctionInvocationRateLimitExceeded",
            ThrottleReason::AccountConcurrency
            | ThrottleReason::Capacity
            | ThrottleReason::Draining
            | ThrottleReason::TooLarge => "ConcurrentInvocationLimitExceeded",
        }
    }

    /// Its place in [`ThrottleReason::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

impl std::fmt::Display for ThrottleReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ThrottleReason::AccountConcurrency => "the account's unreserved concurrency is in use",
            ThrottleReason::ReservedConcurrency => {
                "the function's reserved concurrency is in use, or it has none"
            }
            ThrottleReason::StartRate | ThrottleReason::ReservedStartRate => {
                "the function starts instances faster than it may"
            }
            ThrottleReason::Capacity => "the server's memory is in use",
            ThrottleReason::Draining => "the server is shutting down",
            ThrottleReason::TooLarge => "the function needs more memory than the server may use",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_stands_at_its_own_index() {
        for (at, reason) in ThrottleReason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), at);
        }
    }
}
