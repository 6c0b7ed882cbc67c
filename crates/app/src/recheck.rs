//! Reads all code on disk again at a low pace, and looks whether it is what was uploaded.
//!
//! What runs is looked at before its first start; this finds what is altered later, or rots.

use std::time::Duration;

use kiln_invoke::trust::{self, Happened};
use kiln_store::{ArtifactError, Store};
use kiln_types::{FunctionArn, Region, Sha256};
use tokio_util::sync::CancellationToken;
use tracing::error;

/// From the end of one round to the next, and before the first.
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);
const FIRST: Duration = Duration::from_secs(60 * 60);
/// How much longer than a package's reading took the pause after it is: 2 % of one processor.
const PAUSE_FACTOR: u32 = 49;

/// Reads round after round, until told to stop.
pub(crate) async fn run(store: Store, region: Region, stop: CancellationToken) {
    let mut pause = FIRST;
    loop {
        if is_over(&stop, pause).await {
            return;
        }
        for package in store.artifacts().all() {
            let took = check(&store, &region, &package).await;
            if is_over(&stop, took * PAUSE_FACTOR).await {
                return;
            }
        }
        pause = EVERY;
    }
}

async fn is_over(stop: &CancellationToken, pause: Duration) -> bool {
    tokio::select! {
        () = stop.cancelled() => true,
        () = tokio::time::sleep(pause) => false,
    }
}

/// How long it took.
async fn check(store: &Store, region: &Region, package: &Sha256) -> Duration {
    let since = store.clock().now();
    let checked = store.artifacts().recheck(package).await;
    let took = store.clock().now().since(since);
    match checked {
        Ok(_) | Err(ArtifactError::NotFound(_)) => {}
        Err(error @ ArtifactError::NotIntact { .. }) => {
            tell(store, region, package, &error.to_string()).await;
        }
        Err(error) => error!(%error, %package, "a package could not be read again"),
    }
    took
}

/// Writes it down for each function that has it.
async fn tell(store: &Store, region: &Region, package: &Sha256, why: &str) {
    error!(%package, why, "code on disk is not what was uploaded");
    for function in store.all_functions() {
        let mut packages = function.configurations().flat_map(|of| of.packages());
        if packages.any(|code| code.sha256 == *package) {
            let arn = FunctionArn::new(region.clone(), &function.id);
            trust::note(store, &arn, Happened::Altered, why).await;
        }
    }
}
