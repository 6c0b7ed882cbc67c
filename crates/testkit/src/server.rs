//! One real server: started on a port of its own, stopped as a user would, its log read at the end.

mod log;

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tempfile::TempDir;

use crate::authority::Authority;
use crate::http::Client;
use crate::process::Process;
use crate::runtimes::{self, Node, Python};
use crate::{Keys, OrdinaryUser, Pebble, Request, programs, wait_for};

/// Set, it has every server run as an ordinary user. Tests that give servers directories which are root's alone
/// fail then.
const WITHOUT_ROOT: &str = "KILN_TEST_WITHOUT_ROOT";
/// Until the ready file must be there: zygotes import boto3 first, on a loaded machine.
const START_MAX: Duration = Duration::from_secs(60);
/// Until a server that was told to stop must be gone.
const STOP_MAX: Duration = Duration::from_secs(45);

/// A server's data directory and log; outlives the server, so that another can start from it.
#[derive(Debug, Clone)]
pub struct Home {
    folder: Arc<TempDir>,
    /// Whose it is, where not root's.
    user: Option<Arc<OrdinaryUser>>,
}

/// A server about to be started.
#[derive(Debug)]
pub struct Builder {
    home: Option<Home>,
    behind: Vec<String>,
    verb: &'static str,
    args: Vec<String>,
    environment: Vec<(String, String)>,
    expected: Vec<String>,
    pythons: Option<Vec<Python>>,
    nodes: Vec<Node>,
    ca_bundle: Option<PathBuf>,
    user: Option<Arc<OrdinaryUser>>,
    port: u16,
}

/// A running server. Stops when dropped, and then fails the test if its log says something
/// unexpected or it did not end cleanly.
#[derive(Debug)]
pub struct Server {
    child: Child,
    home: Home,
    keys: Keys,
    runtime: String,
    expected: Vec<String>,
    ca_bundle: Option<PathBuf>,
    is_stopped: bool,
    client: OnceLock<Client>,
}

impl Home {
    fn new(user: Option<Arc<OrdinaryUser>>) -> Self {
        let folder = tempfile::Builder::new().prefix("kiln-test-").tempdir();
        let everybody = || std::env::var_os(WITHOUT_ROOT).map(|_| Arc::default());
        Self {
            folder: Arc::new(folder.expect("a temporary folder can be made")),
            user: user.or_else(everybody),
        }
    }

    /// The folder of `--data-dir`.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Everything the servers of this home wrote to standard output and error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }

    fn ready_file(&self) -> PathBuf {
        self.folder.path().join("ready.json")
    }

    /// The folder of `--runtimes` with these packs only: a server boots processes of all it has.
    fn with_packs(&self, packs: &Path, names: impl Iterator<Item = String>) -> PathBuf {
        let own = self.folder.path().join("runtimes");
        // An earlier server of this home may have left others.
        let _ = std::fs::remove_dir_all(&own);
        std::fs::create_dir(&own).expect("the folder is ours");
        for name in names {
            let linked = std::os::unix::fs::symlink(packs.join(&name), own.join(&name));
            linked.unwrap_or_else(|error| panic!("link the pack of {name}: {error}"));
        }
        own
    }

    /// Makes all of it the user's, who finds packs and programs in it, wherever they are. Gives the folder of packs
    /// and the command that starts the server.
    fn for_user(
        &self,
        user: &OrdinaryUser,
        packs: &Path,
        names: impl Iterator<Item = String>,
    ) -> (PathBuf, Command) {
        let folder = self.folder.path();
        let [all_packs, programs, memory] =
            ["packs", "programs", "memory"].map(|name| folder.join(name));
        for directory in [folder, &all_packs, &programs, &memory] {
            user.own_directory(directory);
        }
        let chosen = self.with_packs(&all_packs, names);
        let kiln = programs::kiln();
        let built = kiln.parent().expect("a program is in a folder");
        let mut command = user.command(&[(packs, &all_packs), (built, &programs)]);
        command
            .arg(programs.join("kiln"))
            .env("HOME", folder)
            .env("XDG_RUNTIME_DIR", memory);
        (chosen, command)
    }
}

/// The command that starts the server.
fn command(behind: &[String]) -> Command {
    let mut words = behind.iter().map(OsString::from).collect::<Vec<_>>();
    words.push(programs::kiln().into());
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

impl Builder {
    /// Starts from what an earlier server left.
    pub fn home(mut self, home: Home) -> Self {
        self.home = Some(home);
        self
    }

    /// `kiln dev` instead of `kiln serve`.
    pub fn dev(mut self) -> Self {
        self.verb = "dev";
        self
    }

    /// More arguments.
    pub fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    /// Behind this command, which must execute what follows it in its own place.
    pub fn behind(mut self, command: &[&str]) -> Self {
        self.behind = command.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Without root, as this user. A home that is given has its own.
    pub fn as_user(mut self, user: &Arc<OrdinaryUser>) -> Self {
        self.user = Some(Arc::clone(user));
        self
    }

    /// An environment variable of the server.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Announces that an ERROR or WARN line with this text may be in the log.
    pub fn expect_log(mut self, text: &str) -> Self {
        self.expected.push(text.to_owned());
        self
    }

    /// With the packs of these Pythons; otherwise of the newest.
    pub fn pythons(mut self, pythons: Vec<Python>) -> Self {
        self.pythons = Some(pythons);
        self
    }

    /// With the packs of these Nodes too.
    pub fn nodes(mut self, nodes: Vec<Node>) -> Self {
        self.nodes = nodes;
        self
    }

    /// With TLS, by a certificate of this authority, which its clients believe.
    pub fn secured(mut self, authority: &Authority) -> Self {
        self.args.extend(authority.server_args());
        self.ca_bundle = Some(authority.path("ca.pem"));
        self
    }

    /// At a port that somebody knows already; otherwise at a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// With a certificate by ACME from this authority, which its clients believe, for these names.
    pub fn certified(mut self, authority: &Pebble, names: &[&str]) -> Self {
        self.args.extend(authority.server_args());
        let names = names.iter().flat_map(|&name| ["--acme-name", name]);
        self.args.extend(names.map(str::to_owned));
        self.ca_bundle = Some(authority.root());
        self
    }

    /// Starts it and waits until it is ready.
    pub fn start(self) -> Server {
        let pythons = self
            .pythons
            .unwrap_or_else(|| vec![runtimes::newest_python()]);
        let packs = runtimes::packs(&pythons, &self.nodes);
        let home = self.home.unwrap_or_else(|| Home::new(self.user));
        let names = pythons.iter().map(Python::runtime);
        let names = names.chain(self.nodes.iter().map(Node::runtime));
        let (packs, mut command) = match &home.user {
            Some(user) => home.for_user(user, &packs, names),
            None => (home.with_packs(&packs, names), command(&self.behind)),
        };
        let log = File::options()
            .create(true)
            .append(true)
            .open(home.folder.path().join("server.log"))
            .expect("the log can be made");
        command
            .arg(self.verb)
            .arg("--data-dir")
            .arg(home.data_dir())
            .arg("--listen")
            .arg(format!("127.0.0.1:{}", self.port))
            .arg("--ready-file")
            .arg(home.ready_file())
            .arg("--runtimes")
            .arg(packs)
            .args(&self.args)
            .env("NO_COLOR", "1")
            .envs(self.environment)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor can be copied"))
            .stderr(log);
        let _ = std::fs::remove_file(home.ready_file());
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("start {command:?}: {error}"));
        let mut starting = Server {
            child,
            keys: Keys {
                endpoint: String::new(),
                region: String::new(),
                access_key_id: String::new(),
                secret_access_key: String::new(),
            },
            home,
            runtime: pythons.last().expect("at least one Python").runtime(),
            expected: self.expected,
            ca_bundle: self.ca_bundle,
            is_stopped: false,
            client: OnceLock::new(),
        };
        starting.keys = starting.wait_until_ready();
        starting
    }
}

impl Server {
    /// A server with the settings of a fresh installation.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// A server with settings of its own.
    pub fn builder() -> Builder {
        Builder {
            home: None,
            behind: Vec::new(),
            verb: "serve",
            args: Vec::new(),
            environment: Vec::new(),
            expected: Vec::new(),
            pythons: None,
            nodes: Vec::new(),
            ca_bundle: None,
            user: None,
            port: 0,
        }
    }

    /// Where it answers and the keys it made at its first start.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// `127.0.0.1:PORT`.
    pub fn authority(&self) -> &str {
        self.keys.endpoint.trim_start_matches("http://")
    }

    /// The port of its APIs.
    pub fn port(&self) -> u16 {
        let port = self.keys.endpoint.rsplit(':').next();
        let port = port.and_then(|port| port.parse().ok());
        port.expect("a server of a test has a port of its own")
    }

    /// The runtime that functions of tests have, such as `python3.13`.
    pub fn runtime(&self) -> &str {
        &self.runtime
    }

    /// Its data directory and log.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Its process.
    pub fn process(&self) -> Process {
        Process::find(self.child.id()).expect("the server runs")
    }

    /// The processes of its sandboxes that run as this user, which is one instance's.
    pub fn processes_of(&self, uid: u32) -> Vec<Process> {
        let below = self.process().descendants();
        below
            .into_iter()
            .filter(|process| process.uid() == Some(uid))
            .collect()
    }

    /// What an AWS client needs in its environment, and nothing of the developer's own settings.
    pub fn client_environment(&self) -> Vec<(&'static str, String)> {
        let mut environment = vec![
            ("AWS_ENDPOINT_URL", self.keys.endpoint.clone()),
            ("AWS_ACCESS_KEY_ID", self.keys.access_key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.keys.secret_access_key.clone()),
            ("AWS_REGION", self.keys.region.clone()),
            ("AWS_DEFAULT_REGION", self.keys.region.clone()),
            ("AWS_CONFIG_FILE", "/nonexistent".to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ];
        let bundle = self.ca_bundle.as_ref();
        environment.extend(bundle.map(|path| ("AWS_CA_BUNDLE", path.display().to_string())));
        environment
    }

    /// The command line `kiln` as a client of this server.
    pub fn kiln(&self, args: &[&str]) -> Command {
        let mut command = Command::new(programs::kiln());
        command
            .args(args)
            .envs(self.client_environment())
            .env("NO_COLOR", "1");
        command
    }

    /// A raw request; unsigned until told otherwise.
    pub fn request(&self, method: &str, target: &str) -> Request<'_> {
        let client = self.client.get_or_init(Client::new);
        Request::new(client, &self.keys, method, target)
    }

    /// Stops it with SIGTERM; panics unless it ended cleanly and its log is as expected.
    pub fn stop(mut self) -> Home {
        let status = self.signal_and_wait(rustix::process::Signal::TERM);
        self.judge(status);
        self.home.clone()
    }

    /// Stops it with SIGINT, as Ctrl-C does; gives its exit status.
    pub fn interrupt(mut self) -> (Home, ExitStatus) {
        let status = self.signal_and_wait(rustix::process::Signal::INT);
        self.judge(status);
        (self.home.clone(), status)
    }

    /// Sends a signal and does not wait.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("the server runs");
    }

    /// Waits for the end of a server that was told to stop.
    pub fn wait(mut self) -> (Home, ExitStatus) {
        let status = self.wait_for_end();
        self.judge(status);
        (self.home.clone(), status)
    }

    /// Ends it as a power cut would.
    pub fn kill9(mut self) -> Home {
        self.is_stopped = true;
        self.child.kill().expect("the server runs");
        self.child.wait().expect("a child can be waited for");
        self.home.clone()
    }

    fn signal_and_wait(&mut self, signal: rustix::process::Signal) -> ExitStatus {
        if self
            .child
            .try_wait()
            .expect("a child can be asked")
            .is_none()
        {
            self.signal(signal);
        }
        self.wait_for_end()
    }

    fn wait_for_end(&mut self) -> ExitStatus {
        self.is_stopped = true;
        let pause = Duration::from_millis(10);
        for _ in 0..STOP_MAX.as_millis() / pause.as_millis() {
            if let Some(status) = self.child.try_wait().expect("a child can be asked") {
                return status;
            }
            std::thread::sleep(pause);
        }
        let _ = self.child.kill();
        panic!(
            "the server did not stop in {STOP_MAX:?}; its log:\n{}",
            self.home.log()
        );
    }

    fn judge(&self, status: ExitStatus) {
        let log = self.home.log();
        assert!(
            status.success(),
            "the server ended with {:?} (signal {:?}); its log:\n{log}",
            status.code(),
            status.signal(),
        );
        let unexpected = log::unexpected(&log, &self.expected);
        assert!(
            unexpected.is_empty(),
            "unexpected in the server's log:\n{}",
            unexpected.join("\n")
        );
    }

    fn wait_until_ready(&mut self) -> Keys {
        let ready_file = self.home.ready_file();
        let (home, child) = (&self.home, &mut self.child);
        wait_for("the server to be ready", START_MAX, || {
            if let Some(status) = child.try_wait().expect("a child can be asked") {
                panic!(
                    "the server ended at start ({status}); its log:\n{}",
                    home.log()
                );
            }
            read_ready(&ready_file)
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.is_stopped {
            return;
        }
        if std::thread::panicking() {
            let _ = rustix::process::kill_process(
                rustix::process::Pid::from_child(&self.child),
                rustix::process::Signal::TERM,
            );
            for _ in 0..500 {
                if !matches!(self.child.try_wait(), Ok(None)) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
            eprintln!("the server's log:\n{}", self.home.log());
            return;
        }
        let status = self.signal_and_wait(rustix::process::Signal::TERM);
        self.judge(status);
    }
}

fn read_ready(path: &Path) -> Option<Keys> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}
