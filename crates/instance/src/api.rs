//! What programs in a sandbox reach at the address in `AWS_LAMBDA_RUNTIME_API`: AWS's Runtime,
//! Extensions and Telemetry APIs.
//!
//! The listener was made inside the sandbox's network namespace, so whoever connects to it is this
//! instance's code, and nobody else's: there are no tokens. `server` keeps the connections, `routes`
//! finds the API of a request, and what requests mean is decided by the pure state machines that
//! share a `desk`: [`Exchange`](crate::runtime_api::exchange::Exchange) and
//! [`Roster`](crate::extensions::roster::Roster).

pub(crate) mod body;
pub(crate) mod desk;
pub(crate) mod refusal;
mod routes;
pub(crate) mod server;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

pub(crate) use routes::{Answer, pause, refuse, text};

/// Where the APIs are inside every sandbox.
pub const RUNTIME_API: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9001));
