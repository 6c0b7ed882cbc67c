//! The second door: something happened out there, and a function is to hear of it.
//!
//! listen → batch → invoke → report the outcome.
//!
//! Invariants: every event goes through [`kiln_invoke::Invoker`] and so wakes a function that has no
//! instance; a source is told that an event is done only after its outcome is known and kept; one
//! trigger that fails touches no other.
//! Start reading at [`Triggers::start`], then `mappings` (who follows definitions), `supervisor` (one mapping),
//! `worker` (one that is enabled), `batch` (what is decided) and `source` (what every source is behind).

mod attempt;
mod batch;
mod config;
mod cores;
mod destination;
mod envelope;
mod error;
mod filters;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod handle;
mod invocation;
mod mappings;
mod messages;
mod place_kept;
mod pollers;
mod queue_worker;
mod record;
mod results;
mod schedules;
mod secrets;
mod source;
mod sources;
mod supervisor;
mod worker;

#[cfg(test)]
mod tests;

pub use config::Config;
pub use error::Error;
pub use handle::{Deps, Triggers};
pub use invocation::{Invocation, Invoke};
