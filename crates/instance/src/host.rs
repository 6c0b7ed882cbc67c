//! Starts instances.

use std::sync::{Arc, OnceLock, Weak};

use kiln_network::Networks;
use kiln_sandbox::Sandboxes;
use kiln_types::{Clock, FunctionId, Initialization, InstanceId, LogRecord, RevisionId, Version};
use tokio::sync::{Semaphore, broadcast, mpsc};
use tokio_util::task::TaskTracker;

use crate::api::server::SPARE_CONNECTIONS_MAX;
use crate::aws::{self, ALL_CONNECTIONS_MAX, AwsEndpoint};
use crate::config::Config;
use crate::driver::Driver;
use crate::handle::Handle;
use crate::isolation::Isolation;
use crate::snapshots::{Key, Next, SnapshotNews, Snapshots};
use crate::spec::{Credentials, Spec};
use crate::template::{self, NoSnapshot};

/// Snapshots that may be taken at once: each has a processor busy.
const TAKING_MAX: usize = 2;

/// Where log records go.
pub trait LogSink: Send + Sync + 'static {
    /// Takes records, in order. Never blocks: what cannot be kept is dropped and counted there.
    fn write(&self, records: Vec<LogRecord>);
}

/// Says whether a function has a version, and with this revision.
pub type HasVersion = Box<dyn Fn(&FunctionId, Version, RevisionId) -> bool + Send + Sync>;

/// Starts instances on this machine. A cheap clone.
#[derive(Clone)]
pub struct Host {
    pub(crate) context: Arc<Context>,
    tracker: TaskTracker,
}

/// What all instances share.
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) networks: Networks,
    pub(crate) isolation: Box<dyn Isolation>,
    pub(crate) logs: Arc<dyn LogSink>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Connections of custom runtimes beyond their first ones.
    pub(crate) spare_connections: Arc<Semaphore>,
    /// Connections of functions to their AWS endpoint.
    pub(crate) aws_connections: Arc<Semaphore>,
    /// What serves it; none: functions have none.
    aws: OnceLock<Arc<dyn AwsEndpoint>>,
    pub(crate) snapshots: Snapshots,
    /// Which versions there are; none: all that are asked for.
    has_version: OnceLock<HasVersion>,
    /// Snapshots that may be taken at once.
    taking: Semaphore,
    pub(crate) tracker: TaskTracker,
}

impl Context {
    /// What serves the AWS clients of functions, if anything does.
    pub(crate) fn aws(&self) -> Option<&Arc<dyn AwsEndpoint>> {
        self.aws.get()
    }

    /// The keys of a function's AWS clients, if it has any.
    pub(crate) fn credentials(&self, spec: &Spec) -> Option<Credentials> {
        let endpoint = self.aws()?;
        Some(endpoint.credentials(&aws::caller(spec)))
    }

    fn has_version(&self, (function, version, revision): &Key) -> bool {
        let known = self.has_version.get();
        known.is_none_or(|has_version| has_version(function, *version, *revision))
    }

    /// What follows from a snapshot of this version that could not be taken, or of which no instance
    /// could be made.
    pub(crate) fn after_useless_snapshot(&self, spec: &Arc<Spec>, next: Next) {
        if next != Next::NoMore {
            return;
        }
        tracing::warn!(
            function = %spec.arn,
            "a version's snapshots were of no use and no more are taken: it is initialised for each instance"
        );
        if let Some(key) = spec.snapshot_key() {
            self.snapshots.tell(key, false);
        }
    }
}

impl Host {
    /// A host whose instances live in these sandboxes.
    pub fn new(
        config: Config,
        sandboxes: Sandboxes,
        logs: Arc<dyn LogSink>,
        clock: Arc<dyn Clock>,
        tracker: TaskTracker,
    ) -> Self {
        Self::with_isolation(config, Box::new(sandboxes), logs, clock, tracker)
    }

    pub(crate) fn with_isolation(
        config: Config,
        isolation: Box<dyn Isolation>,
        logs: Arc<dyn LogSink>,
        clock: Arc<dyn Clock>,
        tracker: TaskTracker,
    ) -> Self {
        let (snapshots, wanted) = Snapshots::new(config.snapshots_dir.clone(), tracker.clone());
        let networks = Networks::new(config.network.clone(), Arc::clone(&clock), tracker.clone());
        let context = Arc::new(Context {
            networks,
            config,
            isolation,
            logs,
            clock,
            spare_connections: Arc::new(Semaphore::new(SPARE_CONNECTIONS_MAX)),
            aws_connections: Arc::new(Semaphore::new(ALL_CONNECTIONS_MAX)),
            aws: OnceLock::new(),
            snapshots,
            has_version: OnceLock::new(),
            taking: Semaphore::new(TAKING_MAX),
            tracker: tracker.clone(),
        });
        tracker.spawn(take_wanted(Arc::downgrade(&context), wanted));
        Self { context, tracker }
    }

    /// Takes a snapshot of a version that is to start from one. The version is registered at once: what
    /// [`retain_snapshots`](Self::retain_snapshots) gives up later is this one too.
    ///
    /// # Errors
    /// [`NoSnapshot::Failed`] when the function cannot be initialised; otherwise it can be invoked all
    /// the same.
    pub fn take_snapshot(
        &self,
        spec: &Arc<Spec>,
    ) -> impl Future<Output = Result<(), NoSnapshot>> + Send + use<> {
        let (context, spec) = (Arc::clone(&self.context), Arc::clone(spec));
        let key = spec.snapshot_key();
        let is_ours = key.as_ref().map(|key| context.snapshots.begin(key));
        async move {
            match (key, is_ours) {
                (Some(key), Some(true)) => take_snapshot(&context, &spec, &key).await,
                (Some(_), _) => Ok(()),
                (None, _) => {
                    let why = "its runtime starts from none on this server";
                    Err(NoSnapshot::Unfit(why.to_owned()))
                }
            }
        }
    }

    /// Which versions have a snapshot, or none any more, without that anybody published them.
    pub fn snapshot_news(&self) -> broadcast::Receiver<SnapshotNews> {
        self.context.snapshots.news()
    }

    /// Gives up snapshots of a function whose versions are not wanted any more.
    pub fn retain_snapshots(&self, id: &FunctionId, wanted: impl Fn(Version, RevisionId) -> bool) {
        self.context.snapshots.retain(id, wanted);
    }

    /// Says where to ask which versions there are: instances outlive theirs, and no snapshot is taken for
    /// one that is gone. Only the first of these is heard.
    pub fn set_has_version(&self, has_version: HasVersion) {
        let _ = self.context.has_version.set(has_version);
    }

    /// Gives functions an AWS endpoint of their own. The sandboxes must listen at
    /// [`AWS_ENDPOINT`](crate::AWS_ENDPOINT). Only the first of these is heard.
    pub fn set_aws(&self, endpoint: Arc<dyn AwsEndpoint>) {
        let _ = self.context.aws.set(endpoint);
    }

    /// Says where this server itself listens: functions are kept from there.
    pub fn set_own_ports(&self, ports: Vec<u16>) {
        self.context.networks.set_own_ports(ports);
    }

    /// Starts an instance and returns at once. An invocation may be sent to it immediately: it
    /// goes to the runtime together with the init message.
    pub fn start(&self, id: InstanceId, spec: Arc<Spec>, how: Initialization) -> Handle {
        let (handle, other) = Handle::new(id);
        let context = Arc::clone(&self.context);
        let now = context.clock.now();
        // Called with the scheduler locked: what can be made in the task is made there.
        self.tracker.spawn(async move {
            Driver::new(id, context, spec, other, (how, now))
                .run()
                .await
        });
        handle
    }
}

/// Takes one that was begun.
async fn take_snapshot(
    context: &Arc<Context>,
    spec: &Arc<Spec>,
    key: &Key,
) -> Result<(), NoSnapshot> {
    let snapshots = &context.snapshots;
    let _turn = context.taking.acquire().await;
    // Its instances may have asked for one after it was deleted.
    if !context.has_version(key) {
        snapshots.forget(key);
        return Err(NoSnapshot::Gone);
    }
    if !snapshots.make_room(key) {
        return Err(NoSnapshot::Gone);
    }
    let taken = match template::take(context, spec).await {
        Ok(snapshot) => {
            snapshots.put(key, snapshot);
            Ok(())
        }
        Err(why) => {
            match why {
                NoSnapshot::Unfit(_) => snapshots.is_unfit(key),
                _ => {
                    let next = snapshots.was_not_taken(key);
                    context.after_useless_snapshot(spec, next);
                }
            }
            Err(why)
        }
    };
    // Deleted meanwhile: who gives up those that are gone may have come before the last who asked.
    if !context.has_version(key) {
        snapshots.forget(key);
        return Err(NoSnapshot::Gone);
    }
    taken
}

/// Takes the snapshots that were missed, one after the other, until the host is gone.
async fn take_wanted(context: Weak<Context>, mut wanted: mpsc::UnboundedReceiver<Arc<Spec>>) {
    while let Some(spec) = wanted.recv().await {
        let Some(context) = context.upgrade() else {
            return;
        };
        let Some(key) = spec.snapshot_key() else {
            continue;
        };
        let taken = take_snapshot(&context, &spec, &key).await;
        if let Err(why) = &taken {
            tracing::info!(function = %spec.arn, why = ?why.to_string(), "a version has no snapshot");
        }
        if !matches!(taken, Err(NoSnapshot::Other(_) | NoSnapshot::Gone)) {
            context.snapshots.tell(key, taken.is_ok());
        }
    }
}
