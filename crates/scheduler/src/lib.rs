//! Who runs an invocation: pools of instances, concurrency, admission, keep-alive, eviction.
//!
//! [`core::Core`] decides and does nothing else: it never awaits, reads a clock or draws randomness,
//! so that the same code runs in the server, in property tests and in simulations. [`Scheduler`]
//! drives it and performs what it decides on a [`Host`]. A [`Lease`] is the right to use one instance
//! for one invocation; it gives the instance back when dropped.
//!
//! Invariants: an instance runs one invocation at a time, or as many as its function asked for, and only of the function, version and
//! revision it was started for; every request ends in exactly one lease or one refusal; the memory of
//! live instances never exceeds the budget.
//! Start reading at [`core::Event`] and [`core::Action`], then [`core`].

mod config;
pub mod core;
mod driver;
mod handle;
mod host;
pub mod keep_alive;
mod lease;
mod local;
mod refusal;
pub mod simulate;
pub mod simulated;
mod statistics;

pub use self::core::{FunctionKey, Readiness};
pub use config::Config;
pub use handle::Scheduler;
pub use host::{Demand, Host, Instance, NoReport};
pub use keep_alive::PolicyName;
pub use kiln_instance::{
    Check, Guard, NoSnapshot, Part, Parts, Sink, SnapshotNews, Spec, response,
};
pub use lease::Lease;
pub use local::LocalHost;
pub use refusal::{Refused, ThrottleReason};
pub use statistics::{Counts, FunctionStatistics, Statistics};
