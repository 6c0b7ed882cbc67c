//! What the gateway is told, and what it is given.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kiln_types::network::ServiceName;
use kiln_types::{AccountId, Clock, FileSystems, Region};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::status::Status;
use crate::compile::Compile;
use crate::invoke::Invoke;

mod endpoint;
mod fetches;

pub use endpoint::{BadEndpoint, Endpoint};
pub use fetches::Fetches;
pub(crate) use fetches::TooSlow;

/// Settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// The region that Kiln answers for; signatures must be scoped to it.
    pub region: Region,
    /// The account of callers when [`Auth::AnyCredentials`] is set.
    pub account: AccountId,
    /// Whether signatures are verified.
    pub auth: Auth,
    /// Whether the audit log has invocations, messages and objects too.
    pub audits_data: bool,
    /// What functions may do that call the server.
    pub functions: FunctionRights,
    /// Where clients reach the server, such as `http://localhost:4566`: function URLs are below
    /// its host.
    pub endpoint: Endpoint,
    /// Invocations in flight in an account, as `GetAccountSettings` shows it.
    pub account_concurrency: u32,
    /// Memory that all instances together may have: no function may ask for more.
    pub memory_budget_mb: u64,
    /// The directories that functions may mount.
    pub file_systems: FileSystems,
    /// The services of the host that functions may name.
    pub host_services: BTreeSet<ServiceName>,
    /// Whether administration has a listener of its own, and so is not to be found at the others.
    pub is_administered_apart: bool,
    /// Limits against slow or greedy clients.
    pub limits: Limits,
}

/// Whether signatures are verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Every request to an AWS API must be signed with a key of the store.
    Enforce,
    /// Any credentials will do, also none: for development, on loopback only.
    AnyCredentials,
}

/// What functions may do that call the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionRights {
    /// What the policies of their execution roles allow.
    Role,
    /// Everything in their account.
    Account,
}

/// Limits against slow or greedy clients.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time; further ones wait in the kernel's queue until one closes.
    pub connections_max: usize,
    /// The same at the listener for administration.
    pub admin_connections_max: usize,
    /// How long a client may take to agree on how a connection is encrypted; then it is closed. It counts as a connection
    /// meanwhile.
    pub handshake_timeout: Duration,
    /// Headers of a request; with more, the client gets 431.
    pub headers_max: usize,
    /// Bytes of a request's head; with more, the client gets 431. Approximate: what one read from
    /// the socket brings, up to as much again, still counts as small enough.
    pub head_bytes_max: usize,
    /// How long a client may take for a request's head, and how long a connection may be idle
    /// between requests; then it is closed.
    pub head_timeout: Duration,
    /// How long a client may pause within a request's body; then it gets 408.
    pub body_pause_timeout: Duration,
    /// How long a client may take for a request's whole body; then it gets 408. Bodies of objects, which may be as large as
    /// a disk, have no such limit.
    pub body_timeout: Duration,
    /// How long a client may take nothing of an answer; then the connection is closed. Approximate: it is looked at when the
    /// kernel asks whether there is room, after up to as long again.
    pub answer_pause_timeout: Duration,
    /// Bytes of the bodies that are in memory at a time, from their arrival until their request is
    /// done, rounded up to KiB each; beyond, clients get 503 with `Retry-After`.
    pub body_bytes_in_flight_max: usize,
    /// How long requests in flight may take after shutdown began; then they are cut off.
    pub shutdown_timeout: Duration,
}

/// The components that the gateway calls.
pub struct Deps {
    /// Functions, keys, logs, usage.
    pub store: kiln_store::Store,
    /// The one road to an instance.
    pub invoker: Arc<dyn Invoke>,
    /// Publishes to buses.
    pub fan_out: kiln_invoke::FanOut,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where container images come from.
    pub images: kiln_image::Sources,
    /// How many of them come at a time.
    pub fetches: Fetches,
    /// Cancelled when the server stops: what is being fetched then is fetched after the next start.
    pub stopping: CancellationToken,
    /// Owns the tasks that outlive their caller, until the server has drained.
    pub tracker: TaskTracker,
    /// The runtimes that can really run here, such as `python3.11`.
    pub runtimes: Vec<String>,
    /// Compiles WebAssembly; none where it cannot run here.
    pub compile: Option<Compile>,
    /// Reads how the server stands.
    pub status: Box<dyn Fn() -> Status + Send + Sync>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            admin_connections_max: 100,
            handshake_timeout: Duration::from_secs(10),
            headers_max: 100,
            head_bytes_max: 64 * 1024,
            head_timeout: Duration::from_secs(60),
            body_pause_timeout: Duration::from_secs(30),
            // The largest body, 70 MB, from a line of 1 Mbit/s.
            body_timeout: Duration::from_secs(600),
            answer_pause_timeout: Duration::from_secs(60),
            body_bytes_in_flight_max: 1 << 30,
            shutdown_timeout: Duration::from_secs(30),
        }
    }
}
