//! Sandboxes in which Rust futures play the runtime and the extensions.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kiln_sandbox::{Exit, Point, Program, Request, Snapshot};
use tokio::net::unix::pipe;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Peer, Seen};
use crate::isolation::{Beside, Cell, Future, Isolation, Network, NoCell, Unfit};

pub(super) type Script = Arc<dyn Fn(Peer) -> Future<'static, Exit> + Send + Sync>;

/// Sandboxes in which a script plays the runtime, and others the extensions.
pub(super) struct Simulated {
    pub(super) script: Script,
    pub(super) extensions: Script,
    pub(super) seen: Arc<Seen>,
    pub(super) tracker: TaskTracker,
}

struct SimulatedCell {
    peer: Option<Peer>,
    script: Script,
    extensions: Script,
    tracker: TaskTracker,
    api: SocketAddr,
    lease: usize,
    /// Ends everything.
    all_killed: CancellationToken,
    terminated: CancellationToken,
    exit_sender: Arc<watch::Sender<Option<Exit>>>,
    channel: Option<UnixStream>,
    listener: Option<TcpListener>,
    output: Option<pipe::Receiver>,
    killed: CancellationToken,
    exit: watch::Receiver<Option<Exit>>,
    seen: Arc<Seen>,
}

impl Isolation for Simulated {
    fn lease(&self, request: Request) -> Future<'static, Result<Box<dyn Cell>, NoCell>> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let (output, receiver) = pipe::pipe().unwrap();
        let seen = Arc::clone(&self.seen);
        let cpu_millis = request.limits.cpu_millis;
        seen.cpu_millis.lock().unwrap().push(cpu_millis);
        let lease = seen.leases.fetch_add(1, Ordering::Relaxed) + 1;
        let (terminated, all_killed) = (CancellationToken::new(), CancellationToken::new());
        let api = listener.local_addr().unwrap();
        let peer = Peer {
            channel: theirs,
            output,
            api,
            lease,
            seen: Arc::clone(&seen),
            name: String::new(),
            terminated: terminated.clone(),
        };
        let (exit_sender, exit) = watch::channel(None);
        let mut cell = SimulatedCell {
            peer: Some(peer),
            script: Arc::clone(&self.script),
            extensions: Arc::clone(&self.extensions),
            tracker: self.tracker.clone(),
            api,
            lease,
            killed: all_killed.child_token(),
            all_killed,
            terminated,
            exit_sender: Arc::new(exit_sender),
            channel: Some(ours),
            listener: Some(listener),
            output: Some(receiver),
            exit,
            seen,
        };
        if !request.companions {
            cell.start();
        }
        Box::pin(async move { Ok(Box::new(cell) as Box<dyn Cell>) })
    }
}

impl SimulatedCell {
    /// Starts the main process, if it does not run.
    fn start(&mut self) {
        let Some(peer) = self.peer.take() else {
            return;
        };
        let (run, killed) = ((self.script)(peer), self.killed.clone());
        let exited = Arc::clone(&self.exit_sender);
        self.tracker.spawn(async move {
            exited.send_replace(Some(until_killed(run, killed).await));
        });
    }

    fn called(&self, what: &'static str) -> Result<(), String> {
        self.seen.calls.lock().unwrap().push(what);
        Ok(())
    }

    /// As with a real one, what it used cannot be read any more once it was killed.
    fn metered<T: Default>(&self, used: T) -> T {
        match self.killed.is_cancelled() {
            true => T::default(),
            false => used,
        }
    }
}

async fn until_killed(run: Future<'static, Exit>, killed: CancellationToken) -> Exit {
    tokio::select! {
        exit = run => exit,
        () = killed.cancelled() => Exit::Signal(9),
    }
}

struct SimulatedCompanion {
    output: Option<pipe::Receiver>,
    killed: CancellationToken,
    exit: watch::Receiver<Option<Exit>>,
}

impl Beside for SimulatedCompanion {
    fn take_output(&mut self) -> pipe::Receiver {
        self.output.take().unwrap()
    }

    fn kill(&self) {
        self.killed.cancel();
    }

    fn exited(&self) -> Future<'static, Exit> {
        let mut exit = self.exit.clone();
        Box::pin(async move {
            let exit = exit.wait_for(Option::is_some).await;
            exit.ok().and_then(|exit| *exit).unwrap_or(Exit::Signal(9))
        })
    }
}

/// This machine's.
struct SimulatedNetwork;

impl Network for SimulatedNetwork {
    fn connect(&self, address: SocketAddr) -> Future<'static, Result<TcpStream, String>> {
        Box::pin(async move {
            let connected = TcpStream::connect(address).await;
            connected.map_err(|error| error.to_string())
        })
    }
}

impl Drop for SimulatedCell {
    fn drop(&mut self) {
        self.all_killed.cancel();
    }
}

impl Cell for SimulatedCell {
    fn take_channel(&mut self) -> UnixStream {
        self.channel.take().unwrap()
    }

    fn take_listener(&mut self, _: SocketAddr) -> Result<TcpListener, String> {
        self.listener.take().ok_or("it was taken".to_owned())
    }

    fn take_uplink(&mut self) -> Option<kiln_sandbox::UplinkSockets> {
        None
    }

    fn take_output(&mut self) -> pipe::Receiver {
        self.output.take().unwrap()
    }

    fn limit_cpu(&self, millis: u32) -> Result<(), String> {
        self.seen.cpu_millis.lock().unwrap().push(millis);
        Ok(())
    }

    fn freeze(&self) -> Result<(), String> {
        self.called("freeze")
    }

    fn thaw(&self) -> Result<(), String> {
        self.called("thaw")
    }

    fn memory_peak_bytes(&self) -> u64 {
        self.metered(35 << 20)
    }

    fn cpu(&self) -> Duration {
        self.metered(Duration::from_millis(5))
    }

    fn out_of_memory_kills(&self) -> u64 {
        self.metered(self.seen.out_of_memory_kills.load(Ordering::Relaxed))
    }

    fn start_beside(&self, program: Program) -> Future<'static, Result<Box<dyn Beside>, NoCell>> {
        let path = &program.argv[0];
        if path.ends_with("not-executable") {
            let why = format!("fork/exec {path}: permission denied");
            return Box::pin(std::future::ready(Err(NoCell::NotExecutable(why))));
        }
        let (sender, output) = pipe::pipe().unwrap();
        let peer = Peer {
            channel: UnixStream::pair().unwrap().0,
            output: sender,
            api: self.api,
            lease: self.lease,
            seen: Arc::clone(&self.seen),
            name: path.rsplit('/').next().unwrap().to_owned(),
            terminated: CancellationToken::new(),
        };
        let (exited, exit) = watch::channel(None);
        let killed = self.all_killed.child_token();
        let run = until_killed((self.extensions)(peer), killed.clone());
        self.tracker
            .spawn(async move { exited.send_replace(Some(run.await)) });
        let companion = SimulatedCompanion {
            output: Some(output),
            killed,
            exit,
        };
        Box::pin(async move { Ok(Box::new(companion) as Box<dyn Beside>) })
    }

    fn begin(&mut self) -> Future<'static, Result<(), NoCell>> {
        self.start();
        Box::pin(std::future::ready(Ok(())))
    }

    fn network(&self) -> Box<dyn Network> {
        Box::new(SimulatedNetwork)
    }

    fn terminate(&self) {
        self.seen.note("terminate");
        self.terminated.cancel();
    }

    fn kill_main(&self) {
        self.seen.note("kill runtime");
        self.killed.cancel();
    }

    fn snapshot(&self, _: &Point, _: &Path, _: u64) -> Result<Snapshot, Unfit> {
        Err(Unfit::Process("it is simulated".to_owned()))
    }

    fn kill(&self) {
        let _ = self.called("kill");
        self.all_killed.cancel();
        if self.peer.is_some() {
            // It never began.
            self.exit_sender.send_replace(Some(Exit::Signal(9)));
        }
    }

    fn exited(&mut self) -> Future<'_, Exit> {
        Box::pin(async {
            let exit = self.exit.wait_for(Option::is_some).await;
            exit.ok().and_then(|exit| *exit).unwrap_or(Exit::Signal(9))
        })
    }
}
