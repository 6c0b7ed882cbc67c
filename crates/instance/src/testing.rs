//! Stand-ins for the tests of this crate: a function, a log, and sandboxes in which a Rust future
//! plays the runtime.

mod client;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kiln_sandbox::{Exit, Request};
use kiln_types::function::{Code, StartMode};
use kiln_types::{
    Configuration, FunctionArn, FunctionId, InstanceId, Invocation, LogRecord, LoggingConfig,
    Region, RequestId, Sha256, SystemClock, TimeoutSecs,
};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::isolation::{Cell, Future, Isolation, NoCell};
use crate::{Config, Handle, Host, Installed, LogSink, Spec};
pub(crate) use client::{Client, Said};

/// A function `sum` for this runtime, with a timeout of one second.
pub(crate) fn spec(runtime: &str) -> Spec {
    let id = FunctionId {
        account: Default::default(),
        name: "sum".parse().unwrap(),
    };
    let configuration = Configuration {
        version: Default::default(),
        revision: kiln_types::RevisionId::random(),
        modified: Default::default(),
        runtime: Some(runtime.parse().unwrap()),
        handler: Some("index.handler".to_owned()),
        role: "arn:aws:iam::000000000000:role/any".to_owned(),
        description: String::new(),
        timeout: TimeoutSecs::new(1).unwrap(),
        memory: Default::default(),
        ephemeral: Default::default(),
        environment: BTreeMap::new(),
        architecture: Default::default(),
        logging: LoggingConfig::of(&id),
        code: Code {
            sha256: Sha256::from_bytes([0; 32]),
            zipped_bytes: 1,
            unzipped_bytes: 1,
        },
        layers: Vec::new(),
        file_systems: Vec::new(),
        state: kiln_types::State::Active,
        update: kiln_types::UpdateStatus::Successful,
        start: None,
        kept: BTreeMap::new(),
    };
    Spec {
        arn: FunctionArn::new(Region::default(), &id),
        id,
        configuration: Arc::new(configuration),
        // A directory with a `bootstrap`, unless a test names another.
        code_dir: PathBuf::new(),
        layer_dirs: Vec::new(),
        file_systems: Vec::new(),
        start: StartMode::Zygote,
        credentials: None,
    }
}

/// An invocation with this event.
pub(crate) fn invocation(event: &str) -> Invocation {
    Invocation {
        request_id: RequestId::random(),
        payload: bytes::Bytes::copy_from_slice(event.as_bytes()),
        invoked_arn: spec("python3.11").arn,
        client_context: None,
        trace: None,
        wants_log_tail: false,
    }
}

/// Keeps what is logged.
#[derive(Default)]
pub(crate) struct Sink(Mutex<Vec<String>>);

impl Sink {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl LogSink for Sink {
    fn write(&self, records: Vec<LogRecord>) {
        self.0
            .lock()
            .unwrap()
            .extend(records.into_iter().map(|record| record.message));
    }
}

type Script = Arc<dyn Fn(Peer) -> Future<'static, Exit> + Send + Sync>;

/// Sandboxes in which a script plays the runtime.
pub(crate) struct Simulated {
    script: Script,
    seen: Arc<Seen>,
    tracker: TaskTracker,
}

/// What tests look at afterwards, and what the sandbox claims.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) leases: AtomicUsize,
    pub(crate) out_of_memory_kills: AtomicU64,
    pub(crate) calls: Mutex<Vec<&'static str>>,
    /// The shares of processor time, in the order in which they were set.
    pub(crate) cpu_millis: Mutex<Vec<u32>>,
}

/// The runtime's end of everything.
pub(crate) struct Peer {
    pub(crate) channel: UnixStream,
    pub(crate) output: pipe::Sender,
    /// Where its Runtime API is.
    pub(crate) api: SocketAddr,
    /// Counts leases from one.
    pub(crate) lease: usize,
    pub(crate) seen: Arc<Seen>,
}

struct SimulatedCell {
    channel: Option<UnixStream>,
    listener: Option<TcpListener>,
    output: Option<pipe::Receiver>,
    killed: CancellationToken,
    exit: watch::Receiver<Option<Exit>>,
    seen: Arc<Seen>,
}

/// A host over a script, and one instance of it.
pub(crate) struct World {
    pub(crate) handle: Handle,
    pub(crate) sink: Arc<Sink>,
    pub(crate) seen: Arc<Seen>,
    _code: tempfile::TempDir,
}

impl World {
    pub(crate) fn new<F>(
        config: Config,
        mut spec: Spec,
        script: impl Fn(Peer) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: std::future::Future<Output = Exit> + Send + 'static,
    {
        let code = tempfile::tempdir().unwrap();
        std::fs::write(code.path().join("bootstrap"), "").unwrap();
        if spec.code_dir.as_os_str().is_empty() {
            spec.code_dir = code.path().to_owned();
        }
        let (sink, seen) = (Arc::new(Sink::default()), Arc::new(Seen::default()));
        let tracker = TaskTracker::new();
        let isolation = Simulated {
            script: Arc::new(move |peer| Box::pin(script(peer))),
            seen: Arc::clone(&seen),
            tracker: tracker.clone(),
        };
        let logs = Arc::clone(&sink) as Arc<dyn LogSink>;
        let clock = Arc::new(SystemClock::start());
        let host = Host::with_isolation(config, Box::new(isolation), logs, clock, tracker);
        Self {
            handle: host.start(InstanceId(1), Arc::new(spec)),
            sink,
            seen,
            _code: code,
        }
    }

    /// A custom runtime, one second.
    pub(crate) fn custom<F>(script: impl Fn(Peer) -> F + Send + Sync + 'static) -> Self
    where
        F: std::future::Future<Output = Exit> + Send + 'static,
    {
        Self::new(config(), spec("provided.al2023"), script)
    }

    /// The common case: python3.11, one second.
    pub(crate) fn of<F>(script: impl Fn(Peer) -> F + Send + Sync + 'static) -> Self
    where
        F: std::future::Future<Output = Exit> + Send + 'static,
    {
        Self::new(config(), spec("python3.11"), script)
    }
}

/// A server on which python3.11 is installed.
pub(crate) fn config() -> Config {
    let installed = Installed {
        fresh: vec!["python".to_owned()],
        ahead: None,
    };
    let runtimes = [("python3.11".to_owned(), installed)].into();
    Config {
        runtimes,
        ..Config::default()
    }
}

impl Peer {
    pub(crate) async fn receive(&mut self) -> Option<(u8, Value, Vec<u8>)> {
        let length = self.channel.read_u32().await.ok()? as usize;
        let mut frame = vec![0; length];
        self.channel.read_exact(&mut frame).await.ok()?;
        let header_bytes = u32::from_be_bytes(frame[1..5].try_into().unwrap()) as usize;
        let header = serde_json::from_slice(&frame[5..5 + header_bytes]).unwrap();
        Some((frame[0], header, frame[5 + header_bytes..].to_vec()))
    }

    pub(crate) async fn send(&mut self, kind: u8, header: Value, body: &[u8]) {
        let header = header.to_string();
        let mut frame = ((5 + header.len() + body.len()) as u32)
            .to_be_bytes()
            .to_vec();
        frame.push(kind);
        frame.extend((header.len() as u32).to_be_bytes());
        frame.extend(header.as_bytes());
        frame.extend(body);
        let _ = self.channel.write_all(&frame).await;
    }

    pub(crate) async fn print(&mut self, text: impl AsRef<[u8]>) {
        let _ = self.output.write_all(text.as_ref()).await;
    }

    /// Takes the init message and says that init is done, as our runtimes do.
    pub(crate) async fn initialise(&mut self) {
        let (kind, _, _) = self.receive().await.expect("the daemon initialises");
        assert_eq!(kind, 1);
        self.print([&b"\xa5\x5a\xff\x01"[..], &[0; 12]].concat())
            .await;
        self.send(17, serde_json::json!({}), b"").await;
    }

    /// Waits for the next event: its request id and the event. Never returns when there is none.
    pub(crate) async fn event(&mut self) -> (Value, String) {
        match self.receive().await {
            Some((2, header, body)) => (
                header["request_id"].clone(),
                String::from_utf8(body).unwrap(),
            ),
            Some(other) => panic!("expected an event, got {other:?}"),
            None => std::future::pending().await,
        }
    }

    pub(crate) async fn respond(&mut self, id: &Value, body: &str) {
        self.send(19, serde_json::json!({ "request_id": id }), body.as_bytes())
            .await;
    }
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
        let peer = Peer {
            channel: theirs,
            output,
            api: listener.local_addr().unwrap(),
            lease,
            seen: Arc::clone(&seen),
        };
        let (exited, exit) = watch::channel(None);
        let killed = CancellationToken::new();
        let (run, token) = ((self.script)(peer), killed.clone());
        self.tracker.spawn(async move {
            let exit = tokio::select! {
                exit = run => exit,
                () = token.cancelled() => Exit::Signal(9),
            };
            let _ = exited.send(Some(exit));
        });
        let cell = SimulatedCell {
            channel: Some(ours),
            listener: Some(listener),
            output: Some(receiver),
            killed,
            exit,
            seen,
        };
        Box::pin(async move { Ok(Box::new(cell) as Box<dyn Cell>) })
    }
}

impl SimulatedCell {
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

impl Drop for SimulatedCell {
    fn drop(&mut self) {
        self.killed.cancel();
    }
}

impl Cell for SimulatedCell {
    fn take_channel(&mut self) -> UnixStream {
        self.channel.take().unwrap()
    }

    fn take_listener(&mut self, _: SocketAddr) -> Result<TcpListener, String> {
        self.listener.take().ok_or("it was taken".to_owned())
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

    fn kill(&self) {
        let _ = self.called("kill");
        self.killed.cancel();
    }

    fn exited(&mut self) -> Future<'_, Exit> {
        Box::pin(async {
            let exit = self.exit.wait_for(Option::is_some).await;
            exit.ok().and_then(|exit| *exit).unwrap_or(Exit::Signal(9))
        })
    }
}
