//! Makes a function ready after it was created or changed, in the background.
//!
//! ```text
//! create ──▶ Pending ─────────────────────────▶ Active, Successful
//! update ──▶ Active, InProgress ──────────────▶ Active, Successful
//! ```
//!
//! Code is unpacked and checked before the function is stored, so that there is little left to
//! do; but SDK waiters and tools are written for these states, and an update that meets one in
//! progress must be refused. A crash in between leaves the state on disk: [`resume`] finishes it.

use std::sync::Arc;

use kiln_store::Store;
use kiln_types::{Function, FunctionId, RevisionId, State, UpdateStatus};

use crate::config::Deps;

/// Finishes the function's last change soon.
pub(crate) fn start(deps: &Deps, function: &Function) {
    let (store, id, revision) = (
        deps.store.clone(),
        function.id.clone(),
        function.latest.revision,
    );
    deps.tracker
        .spawn(async move { finish(&store, &id, revision).await });
}

/// Finishes the changes that an earlier run of the server left unfinished.
pub(crate) fn resume(deps: &Deps) {
    for function in deps.store.all_functions() {
        if is_unfinished(&function) {
            tracing::info!(function = %function.id, "finish preparing a function");
            start(deps, &function);
        }
    }
}

/// Whether the function is still being made ready.
pub(crate) fn is_unfinished(function: &Function) -> bool {
    function.latest.state == State::Pending || function.latest.update == UpdateStatus::InProgress
}

async fn finish(store: &Store, id: &FunctionId, revision: RevisionId) {
    let finished = store.update_function(id, move |function| {
        // Deleted and created anew in between: its own preparation will come.
        if function.latest.revision == revision {
            let latest = Arc::make_mut(&mut function.latest);
            latest.state = State::Active;
            latest.update = UpdateStatus::Successful;
            for version in function.versions.values_mut() {
                // One that waits for its snapshot is made ready by who takes it.
                if version.state == State::Pending && !version.awaits_snapshot() {
                    Arc::make_mut(version).state = State::Active;
                }
            }
        }
        Ok::<(), kiln_store::Error>(())
    });
    match finished.await {
        Ok(_) | Err(kiln_store::Error::NotFound(_)) => {}
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::error!(function = %id, error, "could not finish preparing a function; restart to try again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::fixture::Fixture;

    #[tokio::test]
    async fn a_function_left_unfinished_is_finished_on_the_next_start() {
        let fixture = Fixture::new().await;
        let id = fixture.create_pending("sum").await;
        assert!(is_unfinished(&fixture.function(&id)));
        resume(&fixture.context.deps);
        fixture.settle().await;
        let latest = &fixture.function(&id).latest;
        assert_eq!(
            (latest.state, latest.update),
            (State::Active, UpdateStatus::Successful)
        );
    }

    #[tokio::test]
    async fn an_older_preparation_does_not_finish_a_newer_change() {
        let fixture = Fixture::new().await;
        let id = fixture.create_pending("sum").await;
        finish(&fixture.context.deps.store, &id, RevisionId::random()).await;
        assert!(is_unfinished(&fixture.function(&id)));
    }

    #[tokio::test]
    async fn a_deleted_function_needs_no_preparation() {
        let fixture = Fixture::new().await;
        let id = fixture.create_pending("sum").await;
        let function = fixture.function(&id);
        fixture
            .context
            .deps
            .store
            .delete_function(&id)
            .await
            .unwrap();
        start(&fixture.context.deps, &function);
        fixture.settle().await;
        assert!(fixture.context.deps.store.function(&id).is_none());
    }
}
