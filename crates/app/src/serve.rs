//! The server: everything in boot order, then, when told to stop, everything in reverse.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use kiln_gateway::Gateway;
use kiln_invoke::queued::QueueDeps;
use kiln_invoke::{
    FanOut, Invoker, PostDeps, Queued, Snapshots, keep_archives, keep_posts, keep_queues,
};
use kiln_metering::{Meter, record_provisioned};
use kiln_sandbox::{Sandboxes, rootless};
use kiln_scheduler::{LocalHost, Scheduler};
use kiln_store::Store;
use kiln_triggers::Triggers;
use kiln_types::{Clock, LogRecord, SystemClock};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

use crate::aws::{Aws, FunctionAccess};
use crate::listening::Listening;
use crate::packs::{self, Pack};
use crate::ready_file::{self, Ready};
use crate::settings::{LogFormat, Settings, is_loopback};
use crate::wasm::{self, Wasm};
use crate::{housekeeping, listening, machine, recheck, status, wiring};

/// How long background tasks may take to end once everything else has stopped.
const TASKS_END_WITHIN: Duration = Duration::from_secs(5);

/// How long before instances are ended their events' ends stop to count.
const ABANDON_BEFORE: Duration = Duration::from_millis(50);

/// Who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Callers with a key.
    Production,
    /// Anybody on this machine.
    Development,
}

/// Runs the server until it is told to stop.
pub(crate) fn run(settings: Settings, mode: Mode) -> anyhow::Result<ExitCode> {
    start_logging(&settings)?;
    check(&settings, mode)?;
    rootless::leave_group(&settings.range.uids())?;
    if rootless::is_ordinary_user() {
        // Before any thread: what follows runs in another process.
        rootless::enter(settings.range.uids())?;
    }
    kiln_sandbox::forbid_what_nobody_needs().context("limit the server's own system calls")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the asynchronous runtime")?;
    runtime.block_on(serve(settings, mode))?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses settings that make no sense.
fn check(settings: &Settings, mode: Mode) -> anyhow::Result<()> {
    let perimeter = &settings.perimeter;
    let listens = [perimeter.listen].into_iter().chain(perimeter.admin_listen);
    for listen in listens {
        if mode == Mode::Development && !is_loopback(listen.ip()) {
            bail!(
                "`kiln dev` accepts any credentials and so listens on loopback only, not on {listen}; \
                 use `kiln serve` or --listen 127.0.0.1:4566"
            );
        }
    }
    let is_root = !rootless::is_ordinary_user() && !rootless::is_mapped();
    if !is_root && !settings.file_system.is_empty() {
        bail!(
            "--file-system needs root: without, the kernel shares no directory of the host among functions; leave it out"
        );
    }
    perimeter.check()
}

/// Log records of functions go to the store.
struct StoreLogs(kiln_store::Logs);

impl kiln_instance::LogSink for StoreLogs {
    fn write(&self, records: Vec<LogRecord>) {
        self.0.append(records);
    }
}

async fn serve(settings: Settings, mode: Mode) -> anyhow::Result<()> {
    let stop = stop_on_signal()?;
    let packs = packs::read_all(&settings.places.runtimes_dir())?;
    if packs.is_empty() {
        warn!(
            dir = %settings.places.runtimes_dir().display(),
            "no runtime pack is installed, so only custom runtimes can run; make one with runtimes/python/build-pack"
        );
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let certificate = listening::certificate(&settings, clock.clone())?;
    let parts = Parts::open(&settings, mode, &packs, clock.clone()).await?;
    let server_file = settings.places.data_dir.join(kiln_cli::READY_FILE_NAME);
    let memory = ready_file::memory_dir();
    ready_file::remove_left_over(&server_file, memory.as_deref());
    let mut listening = listening::open(&settings, certificate, &parts.store, clock).await?;
    parts.host.set_own_ports(listening.ports());
    listening.follow_certificate(&parts.tracker, &stop)?;
    let address = listening.public;
    parts.fan_out.set_endpoint(listening.endpoint.to_string());
    let invoker = parts.invoker(&settings)?;
    let queued = parts.queued(&settings, invoker.clone(), &stop);
    let triggers = parts.triggers(&settings, invoker.clone(), &stop)?;
    let doors = Doors {
        invoker,
        queued: queued.clone(),
        stop: stop.clone(),
    };
    let gateway = parts.gateway(&settings, mode, &listening, &packs, doors)?;
    if let Some(aws) = &parts.aws {
        aws.open(gateway.function_door());
    }

    let key = parts.store.keys().administrator(&settings.account).await?;
    let (public_endpoint, admin_endpoint) = listening.reached_at();
    let ready = Ready {
        endpoint: public_endpoint,
        admin_endpoint,
        region: settings.region()?.to_string(),
        access_key_id: key.id.clone(),
        secret_access_key: key.secret.clone(),
    };
    if memory.is_none() {
        tracing::warn!(file = %server_file.display(), "there is no directory in memory for the administrator's key: it is in the data directory while the server runs");
    }
    let mut ready_files = vec![ready.write_beside(&server_file, memory.as_deref())?];
    if let Some(path) = &settings.ready_file {
        ready_files.push(ready.write(path)?);
    }
    parts.look_after(&settings, &stop)?;
    announce(&ready, &server_file, mode);
    info!(%address, runtimes = packs.len(), "Kiln is ready");

    let served = async {
        let served = gateway.serve(listening.listeners, stop.clone()).await;
        // Also when nobody asked: then accepting failed, and the rest still stops in order.
        stop.cancel();
        served
    };
    let stopped_at = async {
        stop.cancelled().await;
        info!("stopping: invocations in flight finish first");
        parts.clock.now()
    };
    let (served, stopped_at) = tokio::join!(served, stopped_at);
    drop(ready_files);
    let waited = parts.clock.now().since(stopped_at);
    parts
        .stop(settings.drain().saturating_sub(waited), queued, triggers)
        .await?;
    served?;
    info!("stopped");
    Ok(())
}

/// What runs behind the gateway.
struct Parts {
    clock: Arc<dyn Clock>,
    tracker: TaskTracker,
    store: Store,
    sandboxes: Sandboxes,
    host: LocalHost,
    scheduler: Scheduler,
    meter: Meter,
    fan_out: FanOut,
    wasm: Option<Wasm>,
    /// What functions call, if they may.
    aws: Option<Arc<Aws>>,
}

/// What the gateway leads to, and when it closes.
struct Doors {
    invoker: Invoker,
    queued: Queued,
    stop: CancellationToken,
}

impl Parts {
    /// Starts everything, lowest layer first.
    async fn open(
        settings: &Settings,
        mode: Mode,
        packs: &[Pack],
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let tracker = TaskTracker::new();
        let config = kiln_store::Config {
            queue_bytes_max: settings.events.queue_bytes_max(),
            archive_bytes_max: settings.events.archive_bytes_max(),
            master_key: settings.vault.master_key()?,
            former_master_key: settings.vault.former_master_key()?,
            pid: rootless::server_pid(),
            layer_marks: wiring::layer_marks(),
            ..kiln_store::Config::new(&settings.places.data_dir)
        };
        let store = Store::open(config, clock.clone())?;
        let wasm = Wasm::find(&settings.places.data_dir)?;
        let config = wiring::sandbox(settings, mode, packs, wasm.as_ref());
        let sandboxes = Sandboxes::start(config, clock.clone()).await?;
        let host = LocalHost::new(kiln_instance::Host::new(
            wiring::instance(settings, packs, wasm.as_ref())?,
            sandboxes.clone(),
            Arc::new(StoreLogs(store.logs().clone())),
            clock.clone(),
            tracker.clone(),
        ));
        let aws = settings.function_access(mode) != FunctionAccess::None;
        let aws = aws.then(|| Arc::new(Aws::new(store.keys().clone())));
        if let Some(aws) = &aws {
            host.set_aws(aws.clone());
        }
        let scheduler = Scheduler::new(
            wiring::scheduler(settings)?,
            host.clone(),
            clock.clone(),
            tracker.clone(),
        );
        let meter = Meter::new(store.usage().clone(), &tracker);
        let fan_out = FanOut::new(store.clone(), settings.region()?);
        fan_out.set_reach(wiring::reach(settings, mode));
        Ok(Self {
            clock,
            tracker,
            store,
            sandboxes,
            host,
            scheduler,
            meter,
            fan_out,
            wasm,
            aws,
        })
    }

    fn invoker(&self, settings: &Settings) -> anyhow::Result<Invoker> {
        Ok(Invoker::new(
            self.store.clone(),
            self.scheduler.clone(),
            self.meter.clone(),
            wiring::invoke(settings, self.wasm.as_ref())?,
            self.tracker.clone(),
        ))
    }

    /// Starts what runs asynchronous events.
    fn queued(&self, settings: &Settings, invoker: Invoker, stop: &CancellationToken) -> Queued {
        let deps = QueueDeps {
            store: self.store.clone(),
            fan_out: self.fan_out.clone(),
            clock: self.clock.clone(),
            tracker: self.tracker.clone(),
            stop: stop.clone(),
        };
        Queued::start(invoker, settings.events.config(), deps)
    }

    /// Starts what listens to event sources.
    fn triggers(
        &self,
        settings: &Settings,
        invoker: Invoker,
        stop: &CancellationToken,
    ) -> anyhow::Result<Triggers> {
        let deps = kiln_triggers::Deps {
            store: self.store.clone(),
            invoke: Arc::new(invoker),
            fan_out: self.fan_out.clone(),
            clock: self.clock.clone(),
            tracker: self.tracker.clone(),
            stop: stop.clone(),
        };
        Ok(Triggers::start(
            deps,
            settings.sources.config(
                settings.region()?,
                settings.account.clone(),
                self.fan_out.reach().clone(),
            )?,
        ))
    }

    fn gateway(
        &self,
        settings: &Settings,
        mode: Mode,
        listening: &Listening,
        packs: &[Pack],
        doors: Doors,
    ) -> anyhow::Result<Gateway> {
        let deps = kiln_gateway::Deps {
            fan_out: self.fan_out.clone(),
            store: self.store.clone(),
            invoker: Arc::new(doors.invoker),
            clock: self.clock.clone(),
            images: settings.images.sources()?,
            fetches: kiln_gateway::Fetches::default(),
            stopping: doors.stop,
            tracker: self.tracker.clone(),
            runtimes: runtimes(packs, self.wasm.is_some()),
            compile: self.wasm.as_ref().map(|wasm| {
                let (store, sandboxes) = (self.store.clone(), self.sandboxes.clone());
                wasm.compile(store, sandboxes)
            }),
            status: Box::new(status::reader(
                self.store.clone(),
                self.sandboxes.clone(),
                self.scheduler.clone(),
                self.meter.clone(),
                doors.queued,
                self.fan_out.clone(),
                listening.listeners.tls.clone(),
            )),
        };
        let config = wiring::gateway(settings, mode, listening.public.port())?;
        Ok(Gateway::new(config, deps))
    }

    /// Starts what must be looked after while the server runs.
    fn look_after(&self, settings: &Settings, stop: &CancellationToken) -> anyhow::Result<()> {
        let snapshots = Snapshots::new(
            self.store.clone(),
            self.host.clone(),
            wiring::invoke(settings, self.wasm.as_ref())?,
            self.tracker.clone(),
        );
        self.tracker.spawn(snapshots.follow(stop.clone()));
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let keep_house = housekeeping::run(store, clock, settings.retention, stop.clone());
        self.tracker.spawn(keep_house);
        let recheck = recheck::run(self.store.clone(), settings.region()?, stop.clone());
        self.tracker.spawn(recheck);
        let (store, clock) = (self.store.clone(), self.clock.clone());
        keep_queues(store, clock, &self.tracker, stop.clone());
        keep_archives(
            self.store.clone(),
            self.fan_out.clone(),
            self.clock.clone(),
            &self.tracker,
            stop.clone(),
        );
        keep_posts(PostDeps {
            store: self.store.clone(),
            fan_out: self.fan_out.clone(),
            clock: self.clock.clone(),
            region: settings.region()?,
            tracker: self.tracker.clone(),
            stop: stop.clone(),
        });
        let (store, clock) = (self.store.clone(), self.clock.clone());
        self.tracker
            .spawn(record_provisioned(store, clock, stop.clone()));
        if let Some(wasm) = self.wasm.clone() {
            let (store, sandboxes) = (self.store.clone(), self.sandboxes.clone());
            let renew = wasm::renew(wasm, store, sandboxes, stop.clone());
            self.tracker.spawn(renew);
        }
        let scheduler = self.scheduler.clone();
        let clock = self.clock.clone();
        self.tracker
            .spawn(machine::watch(scheduler, clock, stop.clone()));
        Ok(())
    }

    /// Stops everything, highest layer first. Invocations in flight have this long to end.
    async fn stop(
        self,
        patience: Duration,
        queued: Queued,
        triggers: Triggers,
    ) -> anyhow::Result<()> {
        // What the scheduler ends is no failure of a function's: who runs events must know before.
        let abandon = async {
            tokio::time::sleep(patience.saturating_sub(ABANDON_BEFORE)).await;
            queued.abandon();
            triggers.abandon();
        };
        tokio::select! {
            () = self.scheduler.drain(patience) => {}
            () = async { abandon.await; std::future::pending().await } => {}
        }
        drop((queued, triggers));
        if let Some(aws) = &self.aws {
            aws.close();
        }
        drop((self.scheduler, self.host));
        self.meter.flush().await?;
        drop(self.meter);
        self.sandboxes.shutdown().await;
        self.tracker.close();
        let ended = tokio::time::timeout(TASKS_END_WITHIN, self.tracker.wait()).await;
        if ended.is_err() {
            warn!(tasks = self.tracker.len(), "some tasks did not end");
        }
        Ok(self.store.close().await?)
    }
}

/// Every runtime that a function may name.
fn runtimes(packs: &[Pack], has_wasm: bool) -> Vec<String> {
    let custom = kiln_types::runtime::CUSTOM
        .iter()
        .map(|name| (*name).to_owned());
    packs
        .iter()
        .map(|pack| pack.name.to_string())
        .chain(custom)
        .chain(has_wasm.then(|| kiln_types::runtime::WASM.to_owned()))
        .collect()
}

/// The first signal drains. The second ends at once: functions, code and keys are on disk, the
/// last second of usage and logs may not be.
fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let stopping = stop.clone();
    let signals = TaskTracker::new();
    signals.spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if stopping.is_cancelled() {
                warn!("told to stop twice: ending at once");
                std::process::exit(130);
            }
            stopping.cancel();
        }
    });
    Ok(stop)
}

/// Says where the server is. The secret goes to a person at a terminal only: what is redirected
/// ends in log files that others may read.
fn announce(ready: &Ready, server_file: &Path, mode: Mode) {
    println!("Kiln is ready at {}", ready.endpoint);
    if mode == Mode::Development {
        println!("Any credentials are accepted.");
    }
    println!("  export AWS_ENDPOINT_URL={}", ready.endpoint);
    if let Some(admin) = &ready.admin_endpoint {
        println!("  export KILN_ADMIN_ENDPOINT={admin}");
    }
    // The SDK for JavaScript reads the one, all others the other.
    println!(
        "  export AWS_REGION={0} AWS_DEFAULT_REGION={0}",
        ready.region
    );
    println!("  export AWS_ACCESS_KEY_ID={}", ready.access_key_id);
    if std::io::stdout().is_terminal() {
        println!("  export AWS_SECRET_ACCESS_KEY={}", ready.secret_access_key);
    } else {
        println!("The secret access key is in {}", server_file.display());
    }
}

/// What a dependency logs that handles its errors as well; whoever wants it names it in the filter.
const QUIET: &str = "async_nats=off";

fn start_logging(settings: &Settings) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(format!("{QUIET},{}", settings.log)).with_context(|| {
        format!(
            "read the log filter '{}'; an example is info,kiln=debug",
            settings.log
        )
    })?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Text => subscriber.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => subscriber.json().init(),
    }
    Ok(())
}
