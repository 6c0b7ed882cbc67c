//! Erasing an account: ends what runs of it, has the store remove what is kept, and writes the outcome into the audit log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kiln_store::erasure::{DestroyedKey, Erased, Kept, Searched};
use kiln_types::{AccountId, Mapping, MappingState, RequestId};
use serde::Serialize;
use serde_json::json;
use tracing::{error, info};

use super::{incomplete, of_tables};
use crate::config::{Config, Deps};
use crate::error::{ApiError, Result};
use crate::lambda::refusal::not_found;

/// How long event source mappings may take to remove what they made at their sources. After that it stays there.
const SOURCES_WITHIN: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often it is tried: a request that was under way may write something after its account's rows were removed.
const TRIES_MAX: u32 = 5;
const TRY_EVERY: Duration = Duration::from_millis(400);

/// What came of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    account: String,
    /// Milliseconds since 1970 UTC.
    begun: i64,
    finished: i64,
    removed: BTreeMap<String, u64>,
    data_keys: Vec<DestroyedKey>,
    searched: Searched,
    kept: Vec<Kept>,
}

/// Goes on with erasures that a crash interrupted.
pub(crate) fn resume(config: &Arc<Config>, deps: &Arc<Deps>) {
    let (config, of) = (config.clone(), deps.clone());
    deps.tracker.spawn(async move {
        let erasing = match of.store.tenants().erasing().await {
            Ok(erasing) => erasing,
            Err(error) => {
                return error!(
                    error = &error as &dyn std::error::Error,
                    "accounts that were being erased could not be read"
                );
            }
        };
        for account in erasing {
            info!(%account, "an account's erasure goes on");
            // What failed was told there.
            let _ = run(&of, &config, &account).await;
        }
    });
}

/// Erases an account, from wherever that was interrupted.
pub(super) async fn run(deps: &Arc<Deps>, config: &Config, account: &AccountId) -> Result<Report> {
    let erased = match erase(deps, config, account).await {
        Ok(Some(erased)) => erased,
        Ok(None) => return Err(not_found(format!("Account {account} is erased already."))),
        // It goes on at the next start.
        Err(kiln_store::Error::Closed) => return Err(ApiError::internal()),
        Err(failure) => {
            error!(%account, error = &failure as &dyn std::error::Error, "an account could not be erased");
            return Err(ApiError::internal());
        }
    };
    if !erased.left.is_empty() {
        note(deps, config, &erased)
            .await
            .map_err(|_| ApiError::internal())?;
        error!(%account, left = ?erased.left, "an account is not erased: something is left of it");
        return Err(incomplete(account, &erased.left));
    }
    info!(%account, files = erased.searched.files, "an account is erased, and nothing of it was found");
    Ok(Report {
        account: account.to_string(),
        begun: erased.begun,
        finished: erased.finished,
        removed: of_tables(erased.removed),
        data_keys: erased.data_keys,
        searched: erased.searched,
        kept: erased.kept,
    })
}

/// None: who asked first is done with it.
async fn erase(
    deps: &Deps,
    config: &Config,
    account: &AccountId,
) -> std::result::Result<Option<Erased>, kiln_store::Error> {
    let store = &deps.store;
    store.begin_erasure(account).await?;
    remove_mappings(deps, account).await?;
    for function in store.functions(account) {
        match store.delete_function(&function.id).await {
            Ok(_) | Err(kiln_store::Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    deps.invoker.expel(account).await;
    let mut tries = 1;
    loop {
        // What was ended says so a moment later: to the queue of events, to logs, of its snapshot's files.
        tokio::time::sleep(TRY_EVERY).await;
        let witness = async |erased: &Erased| note(deps, config, erased).await;
        let erased = store.erase(account, witness).await?;
        let is_done = |erased: &Erased| erased.left.is_empty();
        if erased.as_ref().is_none_or(is_done) || tries == TRIES_MAX {
            return Ok(erased);
        }
        tries += 1;
    }
}

/// Has them removed as if by their owner, so that nothing of them stays at their sources, and no longer than that may take.
async fn remove_mappings(
    deps: &Deps,
    account: &AccountId,
) -> std::result::Result<(), kiln_store::Error> {
    let mappings = deps.store.mappings();
    for mapping in mappings.list(account) {
        let end = |mapping: &mut Mapping| {
            mapping.state = MappingState::Deleting;
            mapping.revision += 1;
            Ok::<_, kiln_store::Error>(())
        };
        match mappings.update(mapping.id, end).await {
            Ok(_) | Err(kiln_store::Error::NoMapping(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let gone = async {
        while !mappings.list(account).is_empty() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    if tokio::time::timeout(SOURCES_WITHIN, gone).await.is_err() {
        tracing::warn!(%account, "event sources of an account that is erased may keep what its mappings made there");
    }
    Ok(())
}

/// Writes down what was removed and found, whoever asked for it.
async fn note(
    deps: &Deps,
    config: &Config,
    erased: &Erased,
) -> std::result::Result<(), kiln_store::Error> {
    let now = deps.clock.timestamp();
    let record = json!({
        "eventVersion": "1.11",
        "userIdentity": {"type": "AWSService", "invokedBy": "kiln"},
        "eventTime": now.to_seconds(),
        "eventSource": "kiln.amazonaws.com",
        "eventName": "TenantErased",
        "awsRegion": config.region.as_str(),
        "sourceIPAddress": "kiln",
        "requestParameters": {"id": erased.account.as_str()},
        "responseElements": null,
        "eventID": RequestId::random().to_string(),
        "readOnly": false,
        "eventType": "AwsServiceEvent",
        "managementEvent": true,
        "recipientAccountId": config.account.as_str(),
        "eventCategory": "Management",
        "serviceEventDetails": {
            "begun": erased.begun,
            "finished": erased.finished,
            "removed": of_tables(erased.removed.clone()),
            "dataKeys": erased.data_keys,
            "searched": erased.searched,
            "kept": erased.kept,
            "left": erased.left,
        },
    });
    let audit = deps.store.audit();
    audit.append(&config.account, now, record.to_string()).await
}
