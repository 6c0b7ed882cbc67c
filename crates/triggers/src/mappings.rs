//! Follows the store's event source mappings: each has a supervisor for as long as it exists.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kiln_types::MappingId;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;

use crate::handle::Shared;
use crate::supervisor::supervise;

/// How long a supervisor rests that failed by a fault of ours.
const FAULT_REST: Duration = Duration::from_secs(5);

/// A supervisor that was started.
struct Supervised {
    changed: Arc<Notify>,
    task: JoinHandle<()>,
}

/// Starts a supervisor for every mapping, and tells it when its mapping changes.
pub(crate) async fn follow(shared: Arc<Shared>) {
    let mappings = shared.deps.store.mappings();
    let mut changes = mappings.subscribe();
    let mut supervised = HashMap::new();
    for mapping in mappings.all() {
        touch(&shared, &mut supervised, mapping.id);
    }
    loop {
        let change = tokio::select! {
            () = shared.deps.stop.cancelled() => return,
            change = changes.recv() => change,
        };
        match change {
            Ok(id) => touch(&shared, &mut supervised, id),
            Err(RecvError::Lagged(_)) => {
                let mut ids: Vec<_> = supervised.keys().copied().collect();
                ids.extend(mappings.all().iter().map(|mapping| mapping.id));
                for id in ids {
                    touch(&shared, &mut supervised, id);
                }
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// Something about a mapping has changed.
fn touch(shared: &Arc<Shared>, supervised: &mut HashMap<MappingId, Supervised>, id: MappingId) {
    let known = supervised
        .get(&id)
        .filter(|known| !known.task.is_finished());
    if let Some(known) = known {
        known.changed.notify_one();
        return;
    }
    if shared.deps.store.mappings().get(id).is_none() {
        supervised.remove(&id);
        return;
    }
    let changed = Arc::new(Notify::new());
    let task = keep_supervised(shared.clone(), id, changed.clone());
    let task = shared.deps.tracker.spawn(task);
    supervised.insert(id, Supervised { changed, task });
}

/// A fault of ours in one mapping is none of the others.
async fn keep_supervised(shared: Arc<Shared>, id: MappingId, changed: Arc<Notify>) {
    loop {
        let task = supervise(shared.clone(), id, changed.clone());
        let Err(fault) = shared.deps.tracker.spawn(task).await else {
            return;
        };
        tracing::error!(mapping = %id, %fault, "the supervisor of an event source mapping failed; starting it again");
        tokio::select! {
            () = shared.deps.stop.cancelled() => return,
            () = tokio::time::sleep(FAULT_REST) => {}
        }
    }
}
