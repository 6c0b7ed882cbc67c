//! [`Triggers`]: started once, after the invoker and before the gateway listens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kiln_invoke::FanOut;
use kiln_store::Store;
use kiln_types::Clock;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::batch::Now;
use crate::config::Config;
use crate::invocation::Invoke;
use crate::sources::{MakeSources, Sources};
use crate::{mappings, schedules};

/// What triggers work with.
pub struct Deps {
    /// Where they are defined.
    pub store: Store,
    /// What runs their events.
    pub invoke: Arc<dyn Invoke>,
    /// What knows whom a rule tells.
    pub fan_out: FanOut,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Every task runs on it.
    pub tracker: TaskTracker,
    /// After this nothing more is taken from any source.
    pub stop: CancellationToken,
}

/// All triggers of this server. Clones mean the same.
#[derive(Clone)]
pub struct Triggers {
    shared: Arc<Shared>,
}

/// What the tasks of all triggers have in common.
pub(crate) struct Shared {
    pub(crate) deps: Deps,
    pub(crate) config: Config,
    pub(crate) sources: Box<dyn MakeSources>,
    is_abandoned: AtomicBool,
}

impl Triggers {
    /// Starts every trigger that is defined and enabled, and follows their definitions until
    /// `deps.stop`. Then nothing more is taken from sources, and what runs is waited for.
    pub fn start(deps: Deps, config: Config) -> Self {
        let sources = Box::new(Sources::new(
            &config,
            deps.store.clone(),
            deps.clock.clone(),
        ));
        Self::start_with(deps, config, sources)
    }

    pub(crate) fn start_with(deps: Deps, config: Config, sources: Box<dyn MakeSources>) -> Self {
        let tracker = deps.tracker.clone();
        let shared = Arc::new(Shared {
            deps,
            config,
            sources,
            is_abandoned: AtomicBool::new(false),
        });
        tracker.spawn(mappings::follow(shared.clone()));
        tracker.spawn(schedules::drive(shared.clone()));
        tracker.spawn(schedules::follow(shared.clone()));
        Self { shared }
    }

    /// From here on a failure of what still runs says nothing: the server ends it. No source is told
    /// of it, so that the event comes again after the next start.
    pub fn abandon(&self) {
        self.shared.is_abandoned.store(true, Ordering::Release);
    }
}

impl Shared {
    pub(crate) fn is_abandoned(&self) -> bool {
        self.is_abandoned.load(Ordering::Acquire)
    }

    pub(crate) fn now(&self) -> Now {
        Now {
            moment: self.deps.clock.now(),
            calendar: self.deps.clock.timestamp(),
        }
    }
}
