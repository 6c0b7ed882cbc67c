//! One mapping from its creation to its removal.
//!
//! What is to be done follows from the definition alone, so that whatever a crash interrupted is taken up again:
//!
//! ```text
//!           enabled ──► work ──┐
//!  look at                     ├── the definition changed ──► look again
//!  the definition  disabled ──► idle ─┘
//!           deleting ──► remove what was made ──► remove the definition
//! ```
//!
//! States that clients wait for are left once what they say has happened: a mapping is `Disabled` when nothing of it
//! runs any more, and `Enabled` when its source listens, or when it is known that it cannot yet.

use std::sync::Arc;
use std::time::Duration;

use kiln_types::{Mapping, MappingId, MappingState};
use tokio::sync::Notify;

use crate::batch::fraction;
use crate::handle::Shared;
use crate::queue_worker::QueueWorker;
use crate::source::Trouble;
use crate::sources::Made;
use crate::worker::Worker;

/// The first rest after a failure at the source; twice as long after each further one.
const REST_FIRST: Duration = Duration::from_secs(1);
/// The longest.
const REST_MAX: Duration = Duration::from_secs(60);
/// How long one attempt to remove what was made may take.
const CLEAN_UP_WITHIN: Duration = Duration::from_secs(30);
/// How long removing is tried. After that the definition is removed all the same, and a person told.
const CLEAN_UP_FOR: Duration = Duration::from_secs(60 * 60);
/// How often a source is looked after that nobody listens to.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How long before the store is asked again that failed.
const STORE_REST: Duration = Duration::from_secs(1);

/// What a mapping's definition asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Duty {
    Work,
    Idle,
    Remove,
}

/// Sees to a mapping until it is gone or the server stops.
pub(crate) async fn supervise(shared: Arc<Shared>, id: MappingId, changed: Arc<Notify>) {
    while !shared.deps.stop.is_cancelled() {
        let Some(mapping) = shared.deps.store.mappings().get(id) else {
            return;
        };
        match duty(&mapping) {
            Duty::Work => match shared.sources.make(&mapping) {
                Made::Stream(source) => {
                    let worker = Worker::new(shared.clone(), mapping);
                    worker.run(source, &changed).await;
                }
                Made::Messages(source) => {
                    let worker = QueueWorker::new(shared.clone(), mapping, source);
                    worker.run(&changed).await;
                }
            },
            Duty::Idle => idle(&shared, &mapping, &changed).await,
            Duty::Remove => remove(&shared, &mapping).await,
        }
    }
}

fn duty(mapping: &Mapping) -> Duty {
    match mapping.state {
        MappingState::Deleting => Duty::Remove,
        _ if mapping.is_enabled => Duty::Work,
        _ => Duty::Idle,
    }
}

/// How long to rest after so many failures in a row, the last one included.
pub(crate) fn rest_after(failures: u32, id: MappingId) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let planned = REST_FIRST.saturating_mul(1 << doublings).min(REST_MAX);
    // Mappings of one source that failed do not all come back at once.
    let seed = id.seed().wrapping_add(failures.into());
    planned.mul_f64(1.0 - 0.5 * fraction(seed))
}

/// Whether a definition says the same as when it was looked at, but for what its supervisor writes.
pub(crate) fn is_unchanged(shared: &Shared, mapping: &Mapping) -> bool {
    let now = shared.deps.store.mappings().get(mapping.id);
    now.is_some_and(|now| now.revision == mapping.revision)
}

/// Writes that what the caller wanted of the mapping has happened.
pub(crate) async fn settle(shared: &Shared, mapping: &Mapping) {
    let revision = mapping.revision;
    write(shared, mapping.id, move |mapping| {
        if mapping.revision == revision && !mapping.state.is_at_rest() {
            mapping.state = MappingState::at_rest(mapping.is_enabled);
        }
    })
    .await;
}

/// Changes a definition; tries until the store has it, or is closed. Whether it was changed.
pub(crate) async fn write(
    shared: &Shared,
    id: MappingId,
    change: impl Fn(&mut Mapping) + Clone + Send + 'static,
) -> bool {
    use kiln_store::Error;
    loop {
        let change = change.clone();
        let written = shared.deps.store.mappings().update(id, move |mapping| {
            change(mapping);
            Ok::<_, Error>(())
        });
        match written.await {
            Ok(_) => return true,
            Err(Error::NoMapping(_) | Error::Closed | Error::Stopped(_)) => return false,
            Err(error) => {
                tracing::error!(mapping = %id, %error, "what an event source mapping does could not be written down; trying again");
            }
        }
        if !pause(shared, STORE_REST).await {
            return false;
        }
    }
}

/// Waits; false when the server stops meanwhile.
async fn pause(shared: &Shared, rest: Duration) -> bool {
    tokio::select! {
        () = shared.deps.stop.cancelled() => false,
        () = tokio::time::sleep(rest) => true,
    }
}

/// Nothing is heard, and the source looked after, until the definition changes.
async fn idle(shared: &Shared, mapping: &Mapping, changed: &Notify) {
    settle(shared, mapping).await;
    let made = shared.sources.make(mapping);
    let mut shown = mapping.last_result.clone();
    loop {
        if let Made::Stream(source) = &made
            && mapping.has_made
            && let Ok(Ok(found)) = tokio::time::timeout(CLEAN_UP_WITHIN, source.look()).await
        {
            let is_problem = shown.starts_with(PROBLEM);
            let text = match found {
                Some(found) => problem(&found),
                None if is_problem => kiln_types::mapping::PROCESSED.to_owned(),
                None => shown.clone(),
            };
            if text != shown {
                shown.clone_from(&text);
                write(shared, mapping.id, move |mapping| {
                    mapping.last_result.clone_from(&text)
                })
                .await;
            }
        }
        tokio::select! {
            () = shared.deps.stop.cancelled() => return,
            () = changed.notified() => {
                if !is_unchanged(shared, mapping) {
                    return;
                }
            }
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Removes what the mapping made at its source, and then the mapping.
async fn remove(shared: &Shared, mapping: &Mapping) {
    if mapping.has_made && !clean_up(shared, mapping).await {
        return;
    }
    loop {
        use kiln_store::Error;
        match shared.deps.store.mappings().remove(mapping.id).await {
            Ok(()) | Err(Error::Closed | Error::Stopped(_)) => return,
            Err(error) => {
                tracing::error!(mapping = %mapping.id, %error, "an event source mapping could not be removed; trying again");
            }
        }
        if !pause(shared, STORE_REST).await {
            return;
        }
    }
}

/// Tries until nothing is left at the source, or for as long as it is worth; false when the server stops.
async fn clean_up(shared: &Shared, mapping: &Mapping) -> bool {
    let Made::Stream(source) = shared.sources.make(mapping) else {
        return true;
    };
    let mut failures = 0;
    loop {
        let cleaned = tokio::time::timeout(CLEAN_UP_WITHIN, source.clean_up()).await;
        let late = |_| Err(Trouble::new("the source did not answer in time"));
        let Err(trouble) = cleaned.unwrap_or_else(late) else {
            return true;
        };
        let waited_ms = shared.now().calendar.as_millis() - mapping.modified.as_millis();
        if u128::try_from(waited_ms).is_ok_and(|waited| waited >= CLEAN_UP_FOR.as_millis()) {
            tracing::error!(
                mapping = %mapping.id, %trouble, left = source.shard(),
                "what an event source mapping made at its source could not be removed and is left there: remove it by hand"
            );
            return true;
        }
        failures += 1;
        if failures == 1 {
            tracing::warn!(mapping = %mapping.id, %trouble, "what an event source mapping made at its source cannot be removed yet; trying again");
        }
        let text = problem(&trouble.0);
        write(shared, mapping.id, move |mapping| {
            mapping.last_result.clone_from(&text)
        })
        .await;
        if !pause(shared, rest_after(failures, mapping.id)).await {
            return false;
        }
    }
}

/// How the API says that something is wrong.
pub(crate) const PROBLEM: &str = "PROBLEM: ";

/// Says that something is wrong.
pub(crate) fn problem(what: &str) -> String {
    format!("{PROBLEM}{what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_double_up_to_a_minute_and_differ_between_mappings() {
        let ids: Vec<MappingId> = (0..20).map(|_| MappingId::random()).collect();
        for id in &ids {
            assert!((1..100).all(|failures| rest_after(failures, *id) <= REST_MAX));
            assert!(rest_after(1, *id) >= REST_FIRST / 2);
            assert!(rest_after(7, *id) >= REST_MAX / 2);
        }
        let first: std::collections::HashSet<_> = ids.iter().map(|id| rest_after(3, *id)).collect();
        assert!(first.len() > 10);
    }
}
