//! Asynchronous invocation: an event is accepted, and handled later, at least once.
//!
//! accept (on disk before the caller is told) → claim when its function has its turn → invoke, as anybody
//! would → settle: gone, again later, or given up, with a record for the function's destination.
//!
//! ```text
//!   accept.rs      the caller's side
//!   core.rs        pure: whose events are claimed next, and how many (fair between accounts and functions)
//!   plan.rs        pure: what follows from one attempt (retries, back-off, age)
//!   ending.rs      pure: who is told of an event's end, and what (record.rs)
//!   driver.rs      performs it: one task for the core, one an event that runs
//! ```
//!
//! Invariants: every event that was accepted ends once, or waits; every attempt goes through
//! [`Invoker::invoke`](crate::Invoker::invoke); times are calendar times, looked at again at least
//! once a second, and never go back (`calendar.rs`): neither a restart nor a clock that jumps loses one.

mod accept;
mod calendar;
mod core;
mod driver;
mod ending;
mod plan;
mod record;

pub use accept::accept;
pub use driver::{QueueDeps, Queued, Statistics};

use std::time::Duration;

/// Settings of asynchronous invocation.
#[derive(Debug, Clone, Copy)]
pub struct QueueConfig {
    /// Events that run at once. A function alone takes a third of them at most: some are always free
    /// for whoever comes next.
    pub in_flight_max: u32,
    /// How long after a function error an event is tried again; after the second twice as long.
    pub retry_after: Duration,
}

impl QueueConfig {
    /// [`QueueConfig::in_flight_max`] unless told.
    pub const IN_FLIGHT_MAX: u32 = 384;
    /// [`QueueConfig::retry_after`] unless told: AWS's minute.
    pub const RETRY_AFTER_SECS: u64 = 60;
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            in_flight_max: Self::IN_FLIGHT_MAX,
            retry_after: Duration::from_secs(Self::RETRY_AFTER_SECS),
        }
    }
}
