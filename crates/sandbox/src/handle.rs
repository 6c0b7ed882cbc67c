//! The server of sandboxes, as the rest of Kiln sees it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use kiln_types::Clock;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, socket_with};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cgroup::{Layout, Tree};
use crate::config::Config;
use crate::error::Error;
use crate::examine::{Finding, Status, examine};
use crate::injector::Injector;
use crate::network;
use crate::network::{Descriptors, QueueKind};
use crate::pool::{Control, Kind, Listeners, Pool, Shell, Stem};
use crate::registry::Registry;
use crate::request::{Program, Request, Start};
use crate::rootless;
use crate::sandbox::Sandbox;
use crate::server::Server;
use crate::zygote::Zygote;

/// How long a new server waits for a crashed one of the same name to finish clearing up.
const NAME_ATTEMPTS_MAX: usize = 200;
const NAME_PAUSE: Duration = Duration::from_millis(50);
/// How many shells one lease may use up.
const ATTEMPTS_MAX: usize = 3;
/// Longest name; it becomes part of file names and of a socket's name.
const NAME_BYTES_MAX: usize = 40;

/// Makes sandboxes. Cheap to clone: all clones are the same server.
#[derive(Debug, Clone)]
pub struct Sandboxes {
    server: Arc<Server>,
}

/// How many sandboxes there are, and of which kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Sandboxes that exist: pooled, leased, and ended but not yet torn down.
    pub live: usize,
    /// Sandboxes that were leased and have not ended.
    pub leased: usize,
    /// Shells ready to be leased.
    pub shells_ready: usize,
    /// Stems ready to be leased, by image.
    pub stems_ready: BTreeMap<String, usize>,
    /// Sandboxes ever made.
    pub made: u64,
    /// Sandboxes ever torn down.
    pub torn_down: u64,
    /// Leases that found their pool empty.
    pub forked_on_demand: u64,
    /// How often the spawner had to be started again.
    pub spawner_restarts: u64,
}

impl Sandboxes {
    /// Checks the machine, clears away what a crashed server of the same name left, and starts the
    /// spawner. Zygotes and pools follow in the background; a lease waits for what it needs.
    ///
    /// # Errors
    /// [`Error::Refused`] where the machine lacks something, [`Error::NameInUse`].
    pub async fn start(config: Config, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let begun = clock.now();
        let tree = check(&config)?;
        let name_lock = lock_name(&config.name).await?;
        raise_open_files();
        let zygotes = config.images.iter().filter(|image| image.zygote.is_some());
        let zygotes = zygotes
            .map(|i| (i.name.clone(), Arc::new(Zygote::new(&i.name))))
            .collect();
        let server = Arc::new(Server {
            tree: Arc::new(tree),
            registry: Arc::new(Registry::new(config.uid_base, config.sandboxes_max)),
            injector: Injector::start(&config.state_dir)?,
            pool: Pool::new(&config),
            zygotes,
            uplink: uplink(&config),
            current: watch::Sender::new(None),
            tracker: TaskTracker::new(),
            closing: CancellationToken::new(),
            on_demand: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
            refill_failures: AtomicU32::new(0),
            name_lock: Mutex::new(Some(name_lock)),
            config,
        });
        let (spawner, process) = server.launch().await?;
        server
            .tracker
            .spawn(Arc::clone(&server).supervise(spawner, process));
        for zygote in server.zygotes.values() {
            server
                .tracker
                .spawn(Arc::clone(&server).keep_zygote(Arc::clone(zygote)));
        }
        server.tracker.spawn(Arc::clone(&server).refill());
        let took_ms = clock.now().since(begun).as_millis() as u64;
        tracing::info!(took_ms, "sandboxes can be made");
        Ok(Self { server })
    }

    /// Gives a sandbox with its main process running: one from the pool, or one made at need.
    pub async fn lease(&self, request: Request) -> Result<Sandbox, Error> {
        let server = &self.server;
        if server.closing.is_cancelled() {
            return Err(Error::ShutDown);
        }
        server.image(&request.image)?;
        let listens = &server.config.listeners;
        if let Some(other) = request.listeners.iter().find(|at| !listens.contains(at)) {
            return Err(Error::NotListening(*other));
        }
        let sandbox = match request.start.clone() {
            Start::Zygote => self.lease_fork(request).await?,
            Start::Ahead { stem, otherwise } => self.lease_ahead(request, stem, otherwise).await?,
            Start::Exec(program) => self.lease_program(request, program).await?,
        };
        server.registry.set_leased(sandbox.id());
        Ok(sandbox)
    }

    /// Whether sandboxes have a way out into the world, where requests ask for it.
    pub fn has_network(&self) -> bool {
        self.server.uplink.is_some()
    }

    /// How many sandboxes there are now.
    pub fn statistics(&self) -> Statistics {
        let server = &self.server;
        let counts = server.registry.counts();
        let (shells_ready, stems_ready) = server.pool.ready();
        Statistics {
            live: counts.live,
            leased: counts.leased,
            shells_ready,
            stems_ready,
            made: counts.made,
            torn_down: counts.torn_down,
            forked_on_demand: server.on_demand.load(Ordering::Relaxed),
            spawner_restarts: server.restarts.load(Ordering::Relaxed),
        }
    }

    /// Kills all sandboxes and waits until every process is reaped and every cgroup removed.
    pub async fn shutdown(&self) {
        let server = &self.server;
        server.closing.cancel();
        server.pool.clear();
        let spawner = server.current.borrow().clone();
        if let Some(spawner) = spawner {
            spawner.close();
        }
        server.tracker.close();
        server.tracker.wait().await;
        // From here on another server may have the name, even while handles of this one remain.
        server.name_lock.lock().expect("no holder panics").take();
    }

    async fn lease_fork(&self, request: Request) -> Result<Sandbox, Error> {
        let server = &self.server;
        server.zygote(&request.image)?;
        if let Some(sandbox) = self.lease_stem(&request, None).await? {
            return Ok(sandbox);
        }
        server.count_on_demand();
        let making = Arc::clone(server);
        self.complete(async move {
            making.zygote(&request.image)?.running().await?;
            making
                .in_a_shell(|shell, _| fork(&making, &request, shell))
                .await
        })
        .await
    }

    async fn lease_ahead(
        &self,
        request: Request,
        stem: Program,
        otherwise: Program,
    ) -> Result<Sandbox, Error> {
        match self.lease_stem(&request, Some(stem)).await? {
            Some(sandbox) => Ok(sandbox),
            None => self.lease_program(request, otherwise).await,
        }
    }

    /// A stem out of the pool, if there is one.
    async fn lease_stem(
        &self,
        request: &Request,
        program: Option<Program>,
    ) -> Result<Option<Sandbox>, Error> {
        let server = &self.server;
        let image = request.image.clone();
        let kind = Kind { image, program };
        while let Some(mut stem) = server.pool.take_stem(&kind) {
            keep_wanted(&mut stem.listeners, &mut stem.uplink, request);
            let mounts = request.mounts.clone();
            let result = server
                .inject(&stem.body, mounts, request.into(), None)
                .await;
            if result.is_err() && stem.body.has_ended() {
                continue;
            }
            return result.map(|()| Some(sandbox(server, stem, request.companions, true)));
        }
        Ok(None)
    }

    async fn lease_program(&self, request: Request, program: Program) -> Result<Sandbox, Error> {
        let making = Arc::clone(&self.server);
        self.complete(async move {
            making
                .in_a_shell(|shell, was_pooled| {
                    execute(&making, &request, &program, shell, was_pooled)
                })
                .await
        })
        .await
    }

    /// Runs to the end even when the caller goes away, so that no half-made sandbox is forgotten.
    async fn complete<F>(&self, making: F) -> Result<Sandbox, Error>
    where
        F: Future<Output = Result<Sandbox, Error>> + Send + 'static,
    {
        self.server
            .tracker
            .spawn(making)
            .await
            .unwrap_or(Err(Error::ShutDown))
    }
}

impl Server {
    /// Begins a main process in a shell. When the shell ends before the process has begun (its
    /// spawner was killed, or its memory ran out), nothing has happened yet and another shell does.
    async fn in_a_shell<F>(
        self: &Arc<Self>,
        begin: impl Fn(Shell, bool) -> F,
    ) -> Result<Sandbox, Error>
    where
        F: Future<Output = Result<Sandbox, Error>>,
    {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let (shell, was_pooled) = match self.pool.take_shell() {
                Some(shell) => (shell, true),
                None => {
                    // Who waits is served before the pool; the pool itself never evicts.
                    if !self.registry.has_room() {
                        self.pool.evict();
                    }
                    (self.make_shell().await?, false)
                }
            };
            let body = Arc::clone(&shell.body);
            let result = begin(shell, was_pooled).await;
            if result.is_ok() || attempts == ATTEMPTS_MAX || !body.has_ended() {
                return result;
            }
        }
    }
}

/// Closes the listeners, and the way out, that nobody asked for, before a program can connect to one. There may be
/// thousands of sandboxes: each keeps the descriptors that it uses.
fn keep_wanted(listeners: &mut Listeners, uplink: &mut Option<Descriptors>, request: &Request) {
    uplink.take_if(|_| !request.network);
    listeners.retain(|address, _| request.listeners.contains(address));
}

async fn fork(server: &Server, request: &Request, mut shell: Shell) -> Result<Sandbox, Error> {
    keep_wanted(&mut shell.listeners, &mut shell.uplink, request);
    let image = server.image(&request.image)?;
    let stem = server.fork(image, shell, request.into(), false).await?;
    Ok(sandbox(server, stem, request.companions, false))
}

async fn execute(
    server: &Server,
    request: &Request,
    program: &Program,
    mut shell: Shell,
    was_pooled: bool,
) -> Result<Sandbox, Error> {
    keep_wanted(&mut shell.listeners, &mut shell.uplink, request);
    if !was_pooled {
        server.count_on_demand();
    }
    let image = server.image(&request.image)?;
    let companions = request.companions;
    let begun = server
        .execute(image, shell, request.into(), program.clone(), companions)
        .await?;
    Ok(sandbox(server, begun, companions, was_pooled))
}

fn sandbox(server: &Server, stem: Stem, companions: bool, pooled: bool) -> Sandbox {
    let Stem {
        body,
        control,
        channel,
        output,
        exit,
        listeners,
        uplink,
        unstarted,
    } = stem;
    let programs = match control {
        Control::Programs(programs) => Some(programs),
        Control::Quiet(control) if companions => Some(server.programs(&body, control)),
        Control::Quiet(control) => {
            server.detach(control);
            None
        }
    };
    if let Some(programs) = programs.as_ref().filter(|_| companions) {
        programs.allow_companions();
    }
    Sandbox {
        body,
        channel: Some(channel),
        output: Some(output),
        exit,
        pooled,
        meters: OnceLock::new(),
        listeners,
        uplink,
        injector: server.injector.clone(),
        programs,
        unstarted,
    }
}

/// Whether this machine gives sandboxes a way out, and how. A machine that does not still isolates.
fn uplink(config: &Config) -> Option<QueueKind> {
    if !config.network {
        return None;
    }
    let probed = network::probe();
    if let Err(error) = &probed {
        tracing::warn!(%error, "functions have no network: this machine cannot give them any");
    }
    probed.ok()
}

/// Refuses a machine that cannot isolate and a configuration that makes no sense.
fn check(config: &Config) -> Result<Tree, Error> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let name = &config.name;
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_plain) {
        return Err(Error::BadName(name.clone()));
    }
    if config.listeners.len() > Config::LISTENERS_MAX {
        return Err(Error::TooManyListeners(config.listeners.len()));
    }
    let uids = config.uids().ok_or(Error::BadUids {
        base: config.uid_base,
        count: config.sandboxes_max,
    })?;
    if rootless::is_ordinary_user() {
        return Err(Error::Refused {
            finding: format!("user: uid {}", rustix::process::geteuid().as_raw()),
            remedy: "run Kiln as root, for example with sudo".into(),
        });
    }
    for Finding {
        name,
        status,
        detail,
        remedy,
    } in examine(uids)
    {
        let remedy = remedy.unwrap_or_default();
        match status {
            Status::Good => {}
            Status::Degraded => {
                tracing::warn!(
                    name,
                    detail,
                    remedy,
                    "this machine isolates less than it could"
                );
            }
            Status::Missing => {
                let finding = format!("{name}: {detail}");
                return Err(Error::Refused { finding, remedy });
            }
        }
    }
    let layout = Layout::detect().map_err(Error::system("read the layout of control groups"))?;
    Ok(layout
        .tree(name)
        .expect("the examination found every controller"))
}

/// Takes the name for as long as the descriptor is open anywhere. The kernel frees it when the last
/// holder ends, however that happens.
async fn lock_name(name: &str) -> Result<OwnedFd, Error> {
    let doing = "lock the server's name";
    let address = SocketAddrUnix::new_abstract_name(format!("kiln-sandboxes-{name}").as_bytes())
        .map_err(|error| Error::system(doing)(error.into()))?;
    let socket = socket_with(
        AddressFamily::UNIX,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(|error| Error::system(doing)(error.into()))?;
    for _ in 0..NAME_ATTEMPTS_MAX {
        match bind(&socket, &address) {
            Ok(()) => return Ok(socket),
            Err(rustix::io::Errno::ADDRINUSE) => tokio::time::sleep(NAME_PAUSE).await,
            Err(error) => return Err(Error::system(doing)(io::Error::from(error))),
        }
    }
    Err(Error::NameInUse(name.to_owned()))
}

/// Each sandbox needs three descriptors or more; the usual soft limit is 1,024.
fn raise_open_files() {
    let hard = getrlimit(Resource::Nofile).maximum;
    if let Err(error) = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: hard,
            maximum: hard,
        },
    ) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}
