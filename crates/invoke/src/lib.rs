//! The one road from an event to an outcome: the API, function URLs, schedules and queues all
//! call [`Invoker::invoke`].
//!
//! admit (which version, is it ready, is the event small enough) → lease an instance → run → bill.
//!
//! Invariants: nothing else asks the scheduler for instances; a caller that goes away cancels
//! nothing; every invocation that ran is recorded once.
//! Start reading at [`Invoker::invoke`], then `admit` and `dispatch`; what is invoked later begins at
//! [`queued`], what is posted to HTTP endpoints at [`posts`].

mod admit;
mod config;
mod dispatch;
mod error;
pub mod fan_out;
mod follow;
mod invoker;
pub mod object_events;
pub mod posts;
pub mod queued;
mod queues;
mod replays;
mod request;
mod snapshots;
mod specs;
mod stream;
pub mod told;
pub mod trust;

#[cfg(test)]
mod tests;

pub use config::Config;
pub use error::Error;
pub use fan_out::FanOut;
pub use invoker::Invoker;
pub use kiln_scheduler::{Part, Parts, Readiness, Sink, ThrottleReason, response};
pub use object_events::ObjectEvents;
pub use posts::{PostDeps, Reach, keep_posts};
pub use queued::Queued;
pub use queues::keep_queues;
pub use replays::keep_archives;
pub use request::{Kind, Request};
pub use snapshots::Snapshots;
pub use stream::{Next, Stream};
