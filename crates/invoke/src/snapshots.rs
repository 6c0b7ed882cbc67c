//! Has snapshots taken of the versions that wait for one, and given up of those that are gone.
//!
//! ```text
//! publish ──▶ Pending ──┬── a snapshot was taken ───────▶ Active, optimised
//!                       ├── none can be taken of it ────▶ Active
//!                       └── it cannot be initialised ───▶ Failed
//! ```
//! A crash in between leaves the state on disk; the next start goes on from it. Whether an Active version
//! is optimised changes when its snapshot is taken later, or proves to be of no use.

use std::collections::HashSet;
use std::sync::Arc;

use kiln_scheduler::{LocalHost, NoSnapshot, SnapshotNews, Spec};
use kiln_store::Store;
use kiln_types::function::State;
use kiln_types::{Configuration, Function, FunctionId, NotReady, RevisionId, Version};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::specs::Specs;

/// Follows the changes of functions.
pub struct Snapshots {
    store: Store,
    host: LocalHost,
    specs: Specs,
    tracker: TaskTracker,
    /// Those that are being taken, or were.
    begun: HashSet<RevisionId>,
}

impl Snapshots {
    /// Of the store's functions, taken on this machine.
    pub fn new(store: Store, host: LocalHost, config: Config, tracker: TaskTracker) -> Self {
        let asked = store.clone();
        host.set_has_version(Box::new(move |id, version, revision| {
            let function = asked.function(id);
            function.is_some_and(|function| has_version(&function, version, revision))
        }));
        Self {
            store,
            host,
            specs: Specs::new(config),
            tracker,
            begun: HashSet::new(),
        }
    }

    /// Follows until told to stop.
    pub async fn follow(mut self, stop: CancellationToken) {
        // Before looking, so that no change falls in between.
        let mut changes = self.store.subscribe();
        let mut news = self.host.snapshot_news();
        self.look_at_all();
        loop {
            let change = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                change = changes.recv() => change,
                news = news.recv() => match news {
                    Ok(news) => {
                        self.note(news).await;
                        continue;
                    }
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return,
                },
            };
            match change {
                Ok(id) => match self.store.function(&id) {
                    Some(function) => self.look_at(&function),
                    None => self.host.retain_snapshots(&id, |_, _| false),
                },
                Err(RecvError::Lagged(_)) => self.look_at_all(),
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn look_at_all(&mut self) {
        for function in self.store.all_functions() {
            self.look_at(&function);
        }
    }

    fn look_at(&mut self, function: &Arc<Function>) {
        let has_any = function
            .versions
            .values()
            .any(|of| of.starts_from_snapshot());
        if !has_any && !function.latest.snap_start.on_publish {
            return self.host.retain_snapshots(&function.id, |_, _| false);
        }
        let is_there = |version, revision| has_version(function, version, revision);
        self.host.retain_snapshots(&function.id, is_there);
        let waiting = function.versions.values().filter(|of| of.awaits_snapshot());
        for configuration in waiting {
            if self.begun.insert(configuration.revision) {
                self.begin(&function.id, configuration);
            }
        }
    }

    /// Says of a version that it has a snapshot, or none any more.
    async fn note(&self, news: SnapshotNews) {
        let SnapshotNews {
            function: id,
            version,
            revision,
            is_taken,
        } = news;
        let noted = self.store.update_function(&id, move |function| {
            note(function, version, revision, is_taken);
            Ok::<(), kiln_store::Error>(())
        });
        match noted.await {
            Ok(_) | Err(kiln_store::Error::NotFound(_)) => {}
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(function = %id, error, "a version is shown with a snapshot that it has not, or the other way round");
            }
        }
    }

    fn begin(&self, id: &FunctionId, configuration: &Arc<Configuration>) {
        // Asked for once: there is nothing to be remembered.
        let spec = self.specs.make(&self.store, id, configuration);
        // Before the next change is looked at, which may be that the version is gone.
        let taking = spec.map(|spec| {
            let spec = Arc::new(spec);
            (self.host.take_snapshot(&spec), spec)
        });
        let store = self.store.clone();
        let (id, configuration) = (id.clone(), Arc::clone(configuration));
        self.tracker.spawn(async move {
            let taken = match taking {
                Ok((taking, spec)) => logged(&spec, taking.await),
                Err(error) => Err(NoSnapshot::Other(error.to_string())),
            };
            let (version, revision) = (configuration.version, configuration.revision);
            let finished = store.update_function(&id, move |function| {
                finish(function, version, revision, taken);
                Ok::<(), kiln_store::Error>(())
            });
            match finished.await {
                Ok(_) | Err(kiln_store::Error::NotFound(_)) => {}
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(function = %id, error, "could not finish publishing a version; restart to try again");
                }
            }
        });
    }
}

fn has_version(function: &Function, version: Version, revision: RevisionId) -> bool {
    let found = function.version(version);
    found.is_some_and(|found| found.revision == revision)
}

fn logged(spec: &Spec, taken: Result<(), NoSnapshot>) -> Result<(), NoSnapshot> {
    match &taken {
        Err(why @ NoSnapshot::Other(_)) => {
            tracing::warn!(function = %spec.arn, why = ?why.to_string(), "a version starts without a snapshot");
        }
        Err(why) => {
            tracing::info!(function = %spec.arn, why = ?why.to_string(), "a version has no snapshot")
        }
        Ok(()) => {}
    }
    taken
}

/// Says of the version how it went, if it is still there and waits.
fn finish(
    function: &mut Function,
    version: Version,
    revision: RevisionId,
    taken: Result<(), NoSnapshot>,
) {
    let Version::Published(number) = version else {
        return;
    };
    let found = function.versions.get_mut(&number);
    let found = found.filter(|found| found.revision == revision && found.awaits_snapshot());
    let Some(configuration) = found.map(Arc::make_mut) else {
        return;
    };
    configuration.snap_start.is_taken = taken.is_ok();
    configuration.state = State::Active;
    if let Err(NoSnapshot::Failed { code, reason }) = taken {
        configuration.state = State::Failed;
        let code = code.to_owned();
        configuration.snap_start.failure = Some(NotReady { code, reason });
    }
}

/// Says of an Active version whether it has a snapshot, if it is still there.
fn note(function: &mut Function, version: Version, revision: RevisionId, is_taken: bool) {
    let Version::Published(number) = version else {
        return;
    };
    let is_meant = |of: &&mut Arc<Configuration>| {
        of.revision == revision && of.state == State::Active && of.snap_start.is_taken != is_taken
    };
    let found = function.versions.get_mut(&number).filter(is_meant);
    if let Some(configuration) = found.map(Arc::make_mut) {
        configuration.snap_start.is_taken = is_taken;
    }
}
