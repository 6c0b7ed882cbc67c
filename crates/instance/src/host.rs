//! Starts instances.

use std::sync::Arc;

use kiln_sandbox::Sandboxes;
use kiln_types::{Clock, Initialization, InstanceId, LogRecord};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::api::server::SPARE_CONNECTIONS_MAX;
use crate::config::Config;
use crate::driver::Driver;
use crate::handle::Handle;
use crate::isolation::Isolation;
use crate::spec::Spec;

/// Where log records go.
pub trait LogSink: Send + Sync + 'static {
    /// Takes records, in order. Never blocks: what cannot be kept is dropped and counted there.
    fn write(&self, records: Vec<LogRecord>);
}

/// Starts instances on this machine. A cheap clone.
#[derive(Clone)]
pub struct Host {
    pub(crate) context: Arc<Context>,
    tracker: TaskTracker,
}

/// What all instances share.
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) isolation: Box<dyn Isolation>,
    pub(crate) logs: Arc<dyn LogSink>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Connections of custom runtimes beyond their first ones.
    pub(crate) spare_connections: Arc<Semaphore>,
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
        Self {
            context: Arc::new(Context {
                config,
                isolation,
                logs,
                clock,
                spare_connections: Arc::new(Semaphore::new(SPARE_CONNECTIONS_MAX)),
            }),
            tracker,
        }
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
