//! One leased sandbox.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixStream, unix::pipe};
use tokio::sync::watch;

use crate::cgroup::{Group, Meters};
use crate::error::Error;
use crate::injector::Injector;
use crate::network::{Descriptors, UplinkSockets};
use crate::pool::Listeners;
use crate::programs::{Companion, Programs};
use crate::protocol::MAIN;
use crate::registry::Registry;
use crate::request::Program;
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
    pub(crate) uplink: Option<Descriptors>,
    pub(crate) injector: Injector,
    /// Who starts programs here; none in a stem without companions.
    pub(crate) programs: Option<Arc<Programs>>,
    /// The main program that waits for [`Sandbox::begin`], its channel and its output.
    pub(crate) unstarted: Option<(Program, [OwnedFd; 2])>,
}

/// The network inside one sandbox. Does not keep the sandbox alive.
#[derive(Debug, Clone)]
pub struct Network {
    injector: Injector,
    body: Weak<Body>,
}

/// What makes a sandbox exist: while this lives its init does.
#[derive(Debug)]
pub(crate) struct Body {
    pub id: u64,
    /// What its programs run as, and nobody else does.
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

    /// What its programs want of the world. Once; none when the request did not ask for it, or when
    /// the machine cannot give it.
    pub fn take_uplink(&mut self) -> Option<UplinkSockets> {
        self.uplink.take().map(UplinkSockets)
    }

    /// Starts a program beside the main process: as the same user, behind the same walls. It has an
    /// output of its own and no channel.
    ///
    /// # Errors
    /// [`Error::NotExecutable`] where that is the program's fault; [`Error::NoCompanions`] when the
    /// request did not ask for them.
    pub fn start_beside(
        &self,
        program: Program,
    ) -> impl Future<Output = Result<Companion, Error>> + Send + 'static {
        let programs = self.programs.clone();
        async move {
            let programs = programs.ok_or(Error::NoCompanions)?;
            programs.start_beside(program).await
        }
    }

    /// Starts the main program, when it waits for that.
    ///
    /// # Errors
    /// [`Error::NotExecutable`] where that is the program's fault.
    pub fn begin(&mut self) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        let waiting = self.unstarted.take().zip(self.programs.clone());
        async move {
            match waiting {
                Some(((program, fds), programs)) => programs.start_main(program, fds).await,
                None => Ok(()),
            }
        }
    }

    /// Asks the main process to end (`SIGTERM`).
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Kills the main process; what runs beside it goes on.
    pub fn kill_main(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.body.registry.main(self.body.id) {
            // One that has ended meanwhile needs no signal.
            let _ = signal_own(pid, self.body.uid, signal);
        } else if let Some(programs) = &self.programs {
            programs.signal(MAIN, signal.as_raw());
        }
    }

    /// The network that the programs of this sandbox see.
    pub fn network(&self) -> Network {
        Network {
            injector: self.injector.clone(),
            body: Arc::downgrade(&self.body),
        }
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

    /// Changes the share of processor time, in thousandths of a core. One that has ended needs none.
    pub fn limit_cpu(&self, millis: u32) -> Result<(), Error> {
        match self.body.group.limit_cpu(millis) {
            // Its cgroup goes with its last process, before anybody was told.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done.map_err(Error::system("limit the processor time of a sandbox")),
        }
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

impl Network {
    /// Connects to a program of the sandbox.
    ///
    /// # Errors
    /// What the kernel says when nothing listens there; [`Error::Ended`].
    pub async fn connect(&self, address: SocketAddr) -> Result<TcpStream, Error> {
        let body = self.body.upgrade().ok_or(Error::Ended)?;
        let socket = std::net::TcpStream::from(self.injector.socket(body).await?);
        let connected = TcpSocket::from_std_stream(socket).connect(address).await;
        connected.map_err(Error::system(format!("connect to {address} in a sandbox")))
    }
}

/// Signals a process that a zygote made and may reap at any time: whoever has its number then runs as
/// another user.
fn signal_own(pid: i32, uid: u32, signal: Signal) -> io::Result<()> {
    let number = Pid::from_raw(pid).ok_or(io::ErrorKind::NotFound)?;
    let process = pidfd_open(number, PidfdFlags::empty())?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let owner = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let owner = owner.and_then(|uids| uids.split_whitespace().next()?.parse().ok());
    // Alive still, so what was read was about it.
    if owner != Some(uid) || sys::is_readable(&process) {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(pidfd_send_signal(&process, signal)?)
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
