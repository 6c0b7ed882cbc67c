//! The second door: something happened out there, and a function is to hear of it.
//!
//! listen → batch → invoke → report the outcome.
//!
//! Invariants: every event goes through [`kiln_invoke::Invoker`] and so wakes a function that has no
//! instance; a source is told that an event is done only after its outcome is known and kept; one
//! trigger that fails touches no other.
//! Start reading at [`Triggers::start`].

mod batch;
mod config;
mod error;
mod handle;
mod invocation;
mod record;

pub use config::Config;
pub use error::Error;
pub use handle::{Deps, Triggers};
pub use invocation::{Invocation, Invoke};
