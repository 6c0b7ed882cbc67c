//! The networks of all instances, and the line of one.

use std::sync::{Arc, OnceLock};

use kiln_sandbox::{Uplink, UplinkSockets};
use kiln_types::Clock;
use kiln_types::network::{Network, Traffic};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::gate::Gate;
use crate::policy::Policy;
use crate::relay::{Buffers, Meter};
use crate::resolver::Resolver;

/// Connections that all instances together may have, two descriptors each. Beyond it a program gets
/// `ECONNREFUSED`, and its function's log says why.
const CONNECTIONS_MAX: usize = 16_384;
/// Notices that wait to be written to the log of a function. Beyond it they are dropped.
const NOTICES_MAX: usize = 16;

/// Gives instances their lines. A cheap clone.
#[derive(Clone)]
pub struct Networks {
    shared: Arc<Shared>,
    tracker: TaskTracker,
}

/// What all lines share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) resolver: Resolver,
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) buffers: Arc<Buffers>,
    /// Kiln's own ports, once it has them.
    own_ports: OnceLock<Vec<u16>>,
}

/// The network of one instance: it works while this is held.
#[derive(Debug)]
pub struct Line {
    meter: Arc<Meter>,
    notices: mpsc::Receiver<String>,
    _guard: DropGuard,
}

impl Networks {
    /// Networks with these settings, whose tasks run on the tracker.
    pub fn new(config: Config, clock: Arc<dyn Clock>, tracker: TaskTracker) -> Self {
        let shared = Shared {
            resolver: Resolver::new(config.nameservers.clone()),
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            buffers: Arc::default(),
            own_ports: OnceLock::new(),
            config,
            clock,
        };
        Self {
            shared: Arc::new(shared),
            tracker,
        }
    }

    /// Says where Kiln itself listens: programs are kept from there. Said once.
    pub fn set_own_ports(&self, ports: Vec<u16>) {
        let said = self.shared.own_ports.set(ports);
        debug_assert!(said.is_ok(), "where Kiln listens is said once");
    }

    /// Serves a sandbox as its function's network allows.
    pub fn open(&self, sockets: UplinkSockets, network: &Network) -> Line {
        let meter = Arc::<Meter>::default();
        let (notices, heard) = mpsc::channel(NOTICES_MAX);
        let closed = CancellationToken::new();
        let policy = Policy::new(network, &self.shared.config);
        let shared = Arc::clone(&self.shared);
        let guard = closed.clone().drop_guard();
        let counted = Arc::clone(&meter);
        self.tracker.spawn(async move {
            let uplink = match Uplink::new(sockets) {
                Ok(uplink) => uplink,
                Err(error) => {
                    tracing::error!(%error, "a function has no network");
                    return;
                }
            };
            let gate = Gate::new(uplink, policy, shared, counted, notices);
            tokio::select! {
                () = closed.cancelled() => {}
                () = gate.run() => {}
            }
        });
        Line {
            meter,
            notices: heard,
            _guard: guard,
        }
    }
}

impl Shared {
    /// The port, if it is one of Kiln's own.
    pub(crate) fn own_port(&self, port: u16) -> Option<u16> {
        let own = self.own_ports.get()?;
        own.contains(&port).then_some(port)
    }
}

impl Line {
    /// What its programs have received and sent so far.
    pub fn traffic(&self) -> Traffic {
        self.meter.read()
    }

    /// The next thing that the function's log should say. Never returns once there is nothing more.
    pub async fn notice(&mut self) -> String {
        match self.notices.recv().await {
            Some(notice) => notice,
            None => std::future::pending().await,
        }
    }

    /// What the log should say and was not taken yet.
    pub fn waiting_notice(&mut self) -> Option<String> {
        self.notices.try_recv().ok()
    }
}
