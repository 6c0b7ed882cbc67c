//! The world as a function's programs may see it.
//!
//! A sandbox's [`Uplink`](kiln_sandbox::Uplink) says what its programs want: to connect somewhere, to
//! know a name. This crate decides ([`policy`]), connects from the host as any client would, copies
//! bytes both ways and counts them ([`relay`]), and answers for the name server ([`resolver`]). Start
//! reading at `gate.rs`, the task that serves one sandbox.
//!
//! Invariants: addresses of the host, of Kiln and of private networks are reached only where a list
//! names them; a name never opens an address that is not public; every queue, count and wait has a
//! limit; what a sandbox sends is never trusted to be well-formed.

mod address;
mod config;
mod connect;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod learned;
mod limit;
mod line;
mod message;
mod policy;
mod relay;
mod resolver;

pub use address::is_own;
pub use config::Config;
pub use line::{Line, Networks};
pub use resolver::host_nameservers;
