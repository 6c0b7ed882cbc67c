//! Makes a function ready after it was created or changed, in the background.
//!
//! ```text
//! create ──▶ Pending ─────────────────────────▶ Active, Successful  or  Failed
//! update ──▶ Active, InProgress ──────────────▶ Active, Successful  or  Active, Failed
//! ```
//!
//! A container image is fetched here, when it is its turn ([`Fetches`](crate::config::Fetches)); until then
//! the function runs the image that it had. Zips are
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
            Some(image) => Box::pin(fetch(&deps, &image, &id, revision)).await,
            None => Some(Ok(())),
        };
        if let Some(fetched) = fetched {
            finish(&deps.store, &id, revision, fetched.err()).await;
        }
    };
    tracker.spawn(prepare);
}

/// `None` when the server stops meanwhile, after which the next start begins anew, or when the function was
/// deleted or changed while its image waited for its turn.
async fn fetch(
    deps: &Deps,
    image: &Image,
    id: &FunctionId,
    revision: RevisionId,
) -> Option<Result<(), NotReady>> {
    let is_wanted = || {
        let function = deps.store.function(id);
        function.is_some_and(|function| function.latest.revision == revision)
    };
    tokio::select! {
        fetched = image::fetch(deps, image, is_wanted) => fetched,
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
    use std::time::Duration;

    use kiln_testkit::image as built;
    use kiln_testkit::registry::Registry;

    use super::super::create_function;
    use super::*;
    use crate::config::Fetches;
    use crate::lambda::fixture::Fixture;

    /// A registry with an image of one file.
    fn registry() -> Registry {
        let registry = Registry::start();
        let layer = built::Layer::default().file("file", b"content");
        let image = built::Image::default().layer(layer).command(&["/app"]);
        registry.push("app", "1", &image);
        registry
    }

    #[tokio::test]
    async fn a_registry_that_takes_for_ever_makes_a_function_fail_with_what_to_do() {
        let mut fixture = Fixture::new().await;
        fixture.fetches(Fetches::new(1, Duration::from_millis(300)));
        let registry = registry();
        let request = fixture.create_image_request("app", registry.name("app:1"));
        // The image is found before, and asked for again to fetch it.
        let created = create_function::handle(&fixture.context, request.clone()).await;
        assert_eq!(created.unwrap().state.as_deref(), Some("Pending"));
        registry.trickle("/v2/");
        fixture.settle().await;
        let latest = &fixture.function(&fixture.id("app")).latest;
        assert_eq!(latest.state, State::Failed);
        let container = latest.container.as_ref().unwrap();
        let NotReady { code, reason } = container.failure.as_ref().unwrap();
        assert_eq!(code, "InternalError");
        assert!(reason.contains("did not come within 0 s"), "{reason}");
        assert!(reason.contains("update the function's code"), "{reason}");
    }

    #[tokio::test]
    async fn a_function_whose_image_waits_for_its_turn_is_pending() {
        let mut fixture = Fixture::new().await;
        fixture.fetches(Fetches::new(1, Duration::from_secs(600)));
        let registry = registry();
        let deps = Arc::clone(&fixture.context.deps);
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let other = deps.fetches.run("oci:/other", ended);
        let create = async {
            let request = fixture.create_image_request("app", registry.name("app:1"));
            create_function::handle(&fixture.context, request)
                .await
                .unwrap();
            let settled = tokio::time::timeout(Duration::from_millis(300), fixture.settle());
            assert!(settled.await.is_err(), "it is not its turn");
            let function = fixture.function(&fixture.id("app"));
            assert_eq!(function.latest.state, State::Pending);
            end.send(()).unwrap();
            fixture.settle().await;
            let function = fixture.function(&fixture.id("app"));
            assert_eq!(function.latest.state, State::Active);
        };
        let (other, ()) = tokio::join!(other, create);
        assert!(other.is_ok());
    }

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
