//! What must happen now and then: log events and usage past their retention, secrets whose time to be had back is over, and code
//! that no function and no layer refers to any more are removed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use kiln_store::Store;
use kiln_types::{Clock, Sha256, Timestamp};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::settings::Retention;

/// How often. Longer than any invocation runs, so that code which was out of use the time before
/// has no instance left that sees it, and no longer than the store spares new packages, so that
/// one which came and went in between is spared too.
const EVERY: Duration = Duration::from_secs(1_200);

/// Cleans up once at the start and then now and then, until told to stop.
pub(crate) async fn run(
    store: Store,
    clock: Arc<dyn Clock>,
    retention: Retention,
    stop: CancellationToken,
) {
    let (mut used_before, mut layers_before) = (HashSet::new(), HashSet::new());
    loop {
        expire(&store, retention, clock.timestamp()).await;
        expire_secrets(&store, clock.timestamp()).await;
        used_before = collect(&store, &used_before).await;
        layers_before = collect_layers(&store, &layers_before).await;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Removes what is older than it is kept.
async fn expire(store: &Store, retention: Retention, now: Timestamp) {
    let logs = store.logs().expire(now, retention.log_retention_days);
    match logs.await {
        Ok(0) => {}
        Ok(events) => info!(events, "log events past their retention were removed"),
        Err(error) => error!(%error, "log events past their retention could not be removed"),
    }
    let days = retention.audit_retention_days;
    match store.audit().expire(now.days_before(days)).await {
        Ok(0) => {}
        Ok(records) => info!(records, "audit records past their retention were removed"),
        Err(error) => error!(%error, "audit records past their retention could not be removed"),
    }
    let Some(days) = retention.usage_retention_days else {
        return;
    };
    match store.usage().expire(now.days_before(days)).await {
        Ok(0) => {}
        Ok(records) => info!(records, "usage past its retention was removed"),
        Err(error) => error!(%error, "usage past its retention could not be removed"),
    }
}

/// Removes secrets that were deleted and cannot be had back any more.
async fn expire_secrets(store: &Store, now: Timestamp) {
    match store.secrets().expire(now).await {
        Ok(0) => {}
        Ok(secrets) => info!(secrets, "deleted secrets were removed for good"),
        Err(error) => error!(%error, "deleted secrets could not be removed"),
    }
}

/// Removes code that neither is used nor was when we last looked; returns what is used now.
async fn collect(store: &Store, used_before: &HashSet<Sha256>) -> HashSet<Sha256> {
    let used = store.artifacts_in_use();
    let keep = used.union(used_before).cloned().collect();
    match store.artifacts().collect(&keep).await {
        Ok(0) => {}
        Ok(bytes) => info!(bytes, "code packages out of use were removed"),
        Err(error) => error!(%error, "code packages out of use could not be removed"),
    }
    if let Err(error) = store.forget_packages().await {
        error!(%error, "whose code packages were could not be forgotten");
    }
    used
}

/// The same of the layers of container images.
async fn collect_layers(store: &Store, used_before: &HashSet<Sha256>) -> HashSet<Sha256> {
    let used = store.image_layers_in_use();
    let keep = used.union(used_before).cloned().collect();
    match store.images().collect(&keep).await {
        Ok(0) => {}
        Ok(bytes) => info!(bytes, "layers of images out of use were removed"),
        Err(error) => error!(%error, "layers of images out of use could not be removed"),
    }
    used
}
