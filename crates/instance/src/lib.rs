//! One execution environment: a sandbox with a language runtime in it that runs one function,
//! one invocation at a time or as many as the function asked for, until it is stopped.
//!
//! Invariants:
//! - one task owns one instance ([`Host::start`] starts it); everybody else holds a [`Handle`];
//! - at most one invocation is in flight, unless the function asked for more, and every accepted one is
//!   answered exactly once;
//! - what to do is decided by the pure state machine in `lifecycle`; `driver` only does it;
//! - nothing the process inside sends is trusted: not a length, not a request id, not a log line.
//!
//! Start reading at `lifecycle`, then `driver`.

mod api;
mod aws;
mod channel;
mod compile;
mod config;
mod driver;
mod ensemble;
mod environment;
mod error;
mod extensions;
mod failure;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod handle;
mod host;
mod interpreter;
mod isolation;
mod journal;
mod lifecycle;
mod log_stream;
mod output;
mod report;
mod response;
mod runtime;
mod runtime_api;
mod snapshots;
mod spec;
mod telemetry;
mod template;
#[cfg(test)]
mod testing;

pub use api::RUNTIME_API;
pub use aws::{AWS_ENDPOINT, AwsEndpoint};
pub use compile::{Compiler, NotCompiled};
pub use config::{Config, Installed};
pub use environment::{CUSTOM_IMAGE, LIBRARY_PATH};
pub use error::Error;
pub use handle::Handle;
pub use host::{HasVersion, Host, LogSink};
pub use response::{Part, Parts, Sink, response};
pub use snapshots::SnapshotNews;
pub use spec::{Check, Credentials, Guard, Spec};
pub use template::NoSnapshot;
