//! Stand-ins for the tests of this crate: a function, a log, and sandboxes in which a Rust future
//! plays the runtime.

mod client;
mod simulated;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex};

use kiln_sandbox::Exit;
use kiln_types::function::{Code, StartMode};
use kiln_types::{
    Configuration, FunctionArn, FunctionId, Initialization, InstanceId, Invocation, LogRecord,
    LoggingConfig, Region, RequestId, Sha256, SystemClock, TimeoutSecs,
};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{Config, Handle, Host, Installed, LogSink, Spec};
pub(crate) use client::{Client, Said};
use simulated::Simulated;

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
            signer: None,
        },
        container: None,
        layers: Vec::new(),
        file_systems: Vec::new(),
        state: kiln_types::State::Active,
        update: kiln_types::UpdateStatus::Successful,
        start: None,
        snap_start: Default::default(),
        network: None,
        slots: Default::default(),
        is_per_tenant: false,
        dead_letters: None,
        kept: BTreeMap::new(),
    };
    Spec {
        arn: FunctionArn::new(Region::default(), &id),
        id,
        tenant: None,
        configuration: Arc::new(configuration),
        // A directory with a `bootstrap`, unless a test names another.
        code_dir: PathBuf::new(),
        compiled_dir: None,
        layer_dirs: Vec::new(),
        image_dirs: Vec::new(),
        file_systems: Vec::new(),
        start: StartMode::Zygote,
        network: kiln_types::Network::None,
        guard: Default::default(),
    }
}

/// An invocation with this event.
pub(crate) fn invocation(event: &str) -> Invocation {
    Invocation {
        request_id: RequestId::random(),
        payload: bytes::Bytes::copy_from_slice(event.as_bytes()),
        invoked_arn: spec("python3.11").arn,
        client_context: None,
        tenant: None,
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

/// What tests look at afterwards, and what the sandbox claims.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) leases: AtomicUsize,
    pub(crate) out_of_memory_kills: AtomicU64,
    pub(crate) calls: Mutex<Vec<&'static str>>,
    /// The shares of processor time, in the order in which they were set.
    pub(crate) cpu_millis: Mutex<Vec<u32>>,
    /// What the main process was asked and extensions were told, in order.
    pub(crate) order: Mutex<Vec<String>>,
}

impl Seen {
    /// Notes what happened.
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.order.lock().unwrap().push(what.into());
    }

    pub(crate) fn noted(&self) -> Vec<String> {
        self.order.lock().unwrap().clone()
    }
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
    /// The extension's name; empty for the runtime.
    pub(crate) name: String,
    /// Cancelled when the main process is asked to end.
    pub(crate) terminated: CancellationToken,
}

/// A host over a script, and one instance of it.
pub(crate) struct World {
    pub(crate) host: Host,
    pub(crate) handle: Handle,
    pub(crate) sink: Arc<Sink>,
    pub(crate) seen: Arc<Seen>,
    _code: tempfile::TempDir,
}

impl World {
    pub(crate) fn new<F>(
        config: Config,
        spec: Spec,
        script: impl Fn(Peer) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Exit> + Send + 'static,
    {
        let none = |_| async { Exit::Code(0) };
        Self::with_extensions(config, spec, &[], script, none)
    }

    /// One with external extensions of these names, which `extensions` plays.
    pub(crate) fn with_extensions<F, E>(
        config: Config,
        mut spec: Spec,
        names: &[&str],
        script: impl Fn(Peer) -> F + Send + Sync + 'static,
        extensions: impl Fn(Peer) -> E + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Exit> + Send + 'static,
        E: Future<Output = Exit> + Send + 'static,
    {
        let code = tempfile::tempdir().unwrap();
        std::fs::write(code.path().join("bootstrap"), "").unwrap();
        if spec.code_dir.as_os_str().is_empty() {
            spec.code_dir = code.path().to_owned();
        }
        let (sink, seen) = (Arc::new(Sink::default()), Arc::new(Seen::default()));
        let tracker = TaskTracker::new();
        let opt = code.path().join("opt");
        std::fs::create_dir_all(opt.join("extensions")).unwrap();
        for name in names {
            std::fs::write(opt.join("extensions").join(name), "").unwrap();
        }
        spec.layer_dirs = vec![opt];
        let isolation = Simulated {
            script: Arc::new(move |peer| Box::pin(script(peer))),
            extensions: Arc::new(move |peer| Box::pin(extensions(peer))),
            seen: Arc::clone(&seen),
            tracker: tracker.clone(),
        };
        let logs = Arc::clone(&sink) as Arc<dyn LogSink>;
        let clock = Arc::new(SystemClock::start());
        let host = Host::with_isolation(config, Box::new(isolation), logs, clock, tracker);
        Self {
            handle: host.start(InstanceId(1), Arc::new(spec), Initialization::OnDemand),
            host,
            sink,
            seen,
            _code: code,
        }
    }

    /// A custom runtime, one second.
    pub(crate) fn custom<F>(script: impl Fn(Peer) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Exit> + Send + 'static,
    {
        Self::new(config(), spec("provided.al2023"), script)
    }

    /// The common case: python3.11, one second.
    pub(crate) fn of<F>(script: impl Fn(Peer) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Exit> + Send + 'static,
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
