//! Makes a function ready after it was created or changed, in the background.
//!
//! ```text
//! create ──▶ Pending ─────────────────────────▶ Active, Successful  or  Failed
//! update ──▶ Active, InProgress ──────────────▶ Active, Successful  or  Active, Failed
//! ```
//!
//! A container image is fetched here; until then the function runs the image that it had. Zips are
//! unpacked and checked before the function is stored, so that there is little left to
//! do for them; but SDK waiters and tools are written for these states, and an update that meets one in
//! progress must be refused. A crash in between leaves the state on disk: [`resume`] finishes it.

use std::sync::Arc;

use kiln_store::Store;
use kiln_types::function::Code;
use kiln_types::{Function, FunctionId, Image, NotReady, RevisionId, State, UpdateStatus};

use super::image;
use crate::config::Deps;

/// Finishes the function's last change soon.
pub(crate) fn start(deps: &Arc<Deps>, function: &Function) {
    let (id, revision) = (function.id.clone(), function.latest.revision);
    let container = function.latest.container.as_ref();
    let image = container.map(|container| container.wanted().clone());
    let tracker = deps.tracker.clone();
    let deps = Arc::clone(deps);
    let prepare = async move {
        let fetched = match image {
            // Large: what a request needs at once must not wait behind it on its stack.
            Some(image) => Box::pin(fetch(&deps, &image)).await,
            None => Some(Ok(())),
        };
        if let Some(fetched) = fetched {
            finish(&deps.store, &id, revision, fetched.err()).await;
        }
    };
    tracker.spawn(prepare);
}

/// `None` when the server stops meanwhile: the next start begins anew.
async fn fetch(deps: &Deps, image: &Image) -> Option<Result<(), NotReady>> {
    tokio::select! {
        fetched = image::fetch(deps, image) => Some(fetched),
        () = deps.stopping.cancelled() => None,
    }
}

/// Finishes the changes that an earlier run of the server left unfinished.
pub(crate) fn resume(deps: &Arc<Deps>) {
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

async fn finish(store: &Store, id: &FunctionId, revision: RevisionId, failure: Option<NotReady>) {
    if let Some(NotReady { code, reason }) = &failure {
        tracing::info!(function = %id, code, reason, "a function's image could not be had");
    }
    let finished = store.update_function(id, move |function| {
        // Deleted and created anew in between: its own preparation will come.
        if function.latest.revision == revision {
            settle(function, failure);
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

fn settle(function: &mut Function, failure: Option<NotReady>) {
    let has_failed = failure.is_some();
    let latest = Arc::make_mut(&mut function.latest);
    latest.update = match has_failed {
        true => UpdateStatus::Failed,
        false => UpdateStatus::Successful,
    };
    // What ran before still does.
    latest.state = match (latest.state, has_failed) {
        (State::Pending, true) => State::Failed,
        (state, true) => state,
        (_, false) => State::Active,
    };
    if let Some(container) = &mut latest.container {
        let incoming = container.incoming.take();
        if let Some(image) = incoming.filter(|_| !has_failed) {
            container.image = image;
            // Instances that were started meanwhile have the former image.
            latest.revision = RevisionId::random();
        }
        container.failure = failure.clone();
        latest.code = Code::of_image(&container.image);
    }
    for version in function.versions.values_mut() {
        // One that waits for its snapshot is made ready by who takes it.
        if version.state == State::Pending && !version.awaits_snapshot() {
            let version = Arc::make_mut(version);
            version.state = match has_failed {
                true => State::Failed,
                false => State::Active,
            };
            if let Some(container) = &mut version.container {
                container.failure = failure.clone();
            }
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
        finish(&fixture.context.deps.store, &id, RevisionId::random(), None).await;
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

    fn image(number: u8) -> Image {
        Image {
            uri: format!("host.example/app:{number}"),
            resolved_uri: format!("host.example/app@sha256:{number}"),
            digest: kiln_types::Sha256::from_bytes([number; 32]),
            layers: Vec::new(),
            entry_point: Vec::new(),
            command: Vec::new(),
            working_directory: None,
            environment: Vec::new(),
        }
    }

    /// A function of the first image, whose update to the second is under way and published.
    async fn updated() -> Function {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        let mut function = Arc::unwrap_or_clone(fixture.function(&id));
        let latest = Arc::make_mut(&mut function.latest);
        let mut container = kiln_types::Container::new(image(1), Default::default());
        container.incoming = Some(image(2));
        latest.container = Some(container);
        latest.update = UpdateStatus::InProgress;
        function.publish(None);
        function
    }

    fn shown(of: &kiln_types::Configuration) -> (State, UpdateStatus, &str) {
        let container = of.container.as_ref().unwrap();
        (of.state, of.update, container.image.uri.as_str())
    }

    #[tokio::test]
    async fn an_image_takes_its_place_when_it_is_here() {
        let mut function = updated().await;
        let version = &function.versions[&1];
        assert_eq!(
            shown(version),
            (
                State::Pending,
                UpdateStatus::Successful,
                "host.example/app:2"
            ),
            "it has no image to run until then"
        );
        let seen = function.latest.revision;
        settle(&mut function, None);
        assert_ne!(function.latest.revision, seen, "what runs is out of date");
        let expected = (
            State::Active,
            UpdateStatus::Successful,
            "host.example/app:2",
        );
        assert_eq!(shown(&function.latest), expected);
        assert_eq!(shown(&function.versions[&1]), expected);
        assert_eq!(function.latest.code, function.versions[&1].code);
        // The same published again is the same version.
        assert_eq!(
            function.publish(None).version,
            kiln_types::Version::Published(1)
        );
    }

    #[tokio::test]
    async fn an_image_that_does_not_come_leaves_the_former_one() {
        let mut function = updated().await;
        let failure = NotReady {
            code: "ImageDeleted".into(),
            reason: "It is gone.".into(),
        };
        settle(&mut function, Some(failure.clone()));
        let expected = (State::Active, UpdateStatus::Failed, "host.example/app:1");
        assert_eq!(shown(&function.latest), expected);
        assert_eq!(function.versions[&1].state, State::Failed);
        let container = function.latest.container.as_ref().unwrap();
        assert_eq!(container.failure, Some(failure));
        assert_eq!(container.incoming, None);
    }
}
