//! One leased sandbox.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::process::{Signal, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, UnixStream, unix::pipe};
use tokio::sync::watch;

use crate::cgroup::{Group, Meters};
use crate::error::Error;
use crate::pool::Listeners;
use crate::registry::Registry;
use crate::sys;

/// How the main process of a sandbox ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// With this exit status.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// One sandbox with its main process running. Dropping it kills every process inside; the rest is
/// torn down in the background.
#[derive(Debug)]
pub struct Sandbox {
    pub(crate) body: Arc<Body>,
    pub(crate) channel: Option<UnixStream>,
    pub(crate) output: Option<pipe::Receiver>,
    pub(crate) exit: watch::Receiver<Option<Exit>>,
    pub(crate) pooled: bool,
    /// Opened when first read: sandboxes in the pool hold no descriptors for it.
    pub(crate) meters: OnceLock<Option<Meters>>,
    pub(crate) listeners: Listeners,
}

/// What makes a sandbox exist: while this lives its init does.
#[derive(Debug)]
pub(crate) struct Body {
    pub id: u64,
    /// The user that its programs run as.
    pub uid: u32,
    /// The init: killing it kills every process of its namespace.
    pub init: OwnedFd,
    pub group: Group,
    pub registry: Arc<Registry>,
}

impl Sandbox {
    /// Unlike that of every other sandbox of this server's life.
    pub fn id(&self) -> u64 {
        self.body.id
    }

    /// The stream whose other end is descriptor 3 of the main process.
    ///
    /// # Panics
    /// When taken a second time.
    pub fn take_channel(&mut self) -> UnixStream {
        self.channel.take().expect("the channel is taken once")
    }

    /// What the sandbox writes to standard output and standard error.
    ///
    /// # Panics
    /// When taken a second time.
    pub fn take_output(&mut self) -> pipe::Receiver {
        self.output.take().expect("the output is taken once")
    }

    /// Accepts what programs of this sandbox, and nobody else, connect to at this address. Its
    /// network namespace lives for as long as the listener or a connection of it does.
    ///
    /// # Errors
    /// [`Error::NotListening`] when the request did not name it, or it was taken before.
    pub fn take_listener(&mut self, address: SocketAddr) -> Result<TcpListener, Error> {
        let socket = self.listeners.remove(&address);
        let socket = socket.ok_or(Error::NotListening(address))?;
        TcpListener::from_std(socket.into())
            .map_err(Error::system(format!("accept connections to {address}")))
    }

    /// Stops all processes of the sandbox where they are. Cheap (6 µs where there is a cgroup v2
    /// tree); the processes stand still some microseconds later.
    pub fn freeze(&self) -> Result<(), Error> {
        self.body
            .group
            .freeze()
            .map_err(Error::system("freeze a sandbox"))
    }

    /// Lets all processes of the sandbox run on.
    pub fn thaw(&self) -> Result<(), Error> {
        self.body
            .group
            .thaw()
            .map_err(Error::system("thaw a sandbox"))
    }

    /// Changes the share of processor time, in thousandths of a core.
    pub fn limit_cpu(&self, millis: u32) -> Result<(), Error> {
        self.body
            .group
            .limit_cpu(millis)
            .map_err(Error::system("limit the processor time of a sandbox"))
    }

    /// The most memory that was in use at once, `/tmp` included; 0 when the sandbox has ended.
    pub fn memory_peak_bytes(&self) -> u64 {
        let peak = self.meters().map(Meters::memory_peak_bytes);
        peak.and_then(Result::ok).unwrap_or(0)
    }

    /// The processor time used since the sandbox was made; zero when it has ended.
    pub fn cpu(&self) -> Duration {
        let cpu = self.meters().map(Meters::cpu);
        cpu.and_then(Result::ok).unwrap_or_default()
    }

    /// How many processes the kernel killed because the memory limit was reached; 0 when the
    /// sandbox has ended.
    pub fn out_of_memory_kills(&self) -> u64 {
        self.body.group.out_of_memory_kills().unwrap_or(0)
    }

    fn meters(&self) -> Option<&Meters> {
        let open = || self.body.group.meters().ok();
        self.meters.get_or_init(open).as_ref()
    }

    /// Whether the sandbox came prepared from the pool instead of being made at need.
    pub fn was_pooled(&self) -> bool {
        self.pooled
    }

    /// Kills every process of the sandbox. Usage stays readable for a moment only: read it first.
    pub fn kill(&self) {
        self.body.kill();
    }

    /// Waits until the main process has ended. Other processes of the sandbox may live on until
    /// the sandbox is killed or dropped.
    pub async fn exited(&mut self) -> Exit {
        match self.exit.wait_for(Option::is_some).await {
            Ok(exit) => exit.expect("waited until it is there"),
            // Nobody is left who could tell: the server was shut down, which kills everything.
            Err(_) => Exit::Signal(libc::SIGKILL),
        }
    }
}

impl Body {
    pub fn kill(&self) {
        self.registry.killed(self.id);
        // ESRCH, the only error possible, means that it is dead already.
        let _ = pidfd_send_signal(&self.init, Signal::KILL);
        if self.group.must_thaw_to_die() {
            // The groups may be gone already; then so are the processes.
            let _ = self.group.thaw();
        }
    }
}

impl Body {
    /// Whether init, and with it every process, has ended.
    pub fn has_ended(&self) -> bool {
        sys::is_readable(&self.init)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.kill();
    }
}
