//! Waits until the server is done with a change.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use kiln_types::Clock;
use serde_json::Value;

use crate::api::Client;
use crate::output::show;

/// How long a change may take before the user is told that it is still going on.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(120);
const POLL_INTERVAL_MIN: Duration = Duration::from_millis(20);
const POLL_INTERVAL_MAX: Duration = Duration::from_secs(1);

/// What a function's configuration says about the last change.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Busy,
    Done,
    Failed(String),
}

/// Waits for the last change and makes its failure an error.
pub(crate) async fn until_active(client: &Client, name: &str) -> Result<Value> {
    let configuration = until_idle(client, name).await?;
    match progress(&configuration) {
        Progress::Failed(reason) => bail!(
            "the server could not prepare {name}: {reason}\n  next: correct that and deploy again; \
             `kiln describe {name}` shows its state"
        ),
        Progress::Busy | Progress::Done => Ok(configuration),
    }
}

/// Waits for the last change, however it ended.
pub(super) async fn until_idle(client: &Client, name: &str) -> Result<Value> {
    let start = client.clock.now();
    let mut interval = POLL_INTERVAL_MIN;
    loop {
        let configuration = client
            .configuration(name)
            .await?
            .with_context(|| format!("{name} was deleted while it was being deployed"))?;
        if progress(&configuration) != Progress::Busy {
            return Ok(configuration);
        }
        if client.clock.now().since(start) > CHANGE_TIMEOUT {
            bail!("{name} is still being changed; `kiln describe {name}` shows when it is done");
        }
        tokio::time::sleep(interval).await;
        interval = (interval * 2).min(POLL_INTERVAL_MAX);
    }
}

fn progress(configuration: &Value) -> Progress {
    let member = |name: &str| configuration[name].as_str().unwrap_or_default();
    if member("State") == "Pending" || member("LastUpdateStatus") == "InProgress" {
        return Progress::Busy;
    }
    if member("State") == "Failed" {
        return Progress::Failed(show(&configuration["StateReason"]));
    }
    if member("LastUpdateStatus") == "Failed" {
        return Progress::Failed(show(&configuration["LastUpdateStatusReason"]));
    }
    Progress::Done
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn state_and_last_update_both_count() {
        let of = |state, update| progress(&json!({ "State": state, "LastUpdateStatus": update }));
        assert_eq!(of("Pending", "InProgress"), Progress::Busy);
        assert_eq!(of("Active", "InProgress"), Progress::Busy);
        assert_eq!(of("Active", "Successful"), Progress::Done);
        assert_eq!(of("Inactive", "Successful"), Progress::Done);
        assert!(matches!(of("Active", "Failed"), Progress::Failed(_)));
        let failed = json!({ "State": "Failed", "StateReason": "no interpreter" });
        assert_eq!(
            progress(&failed),
            Progress::Failed("no interpreter".to_owned())
        );
    }
}
