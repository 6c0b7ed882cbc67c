//! `kiln provision`: keeps instances of a version ready, and shows how many are.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::api::Client;
use crate::output::show;
use crate::{Format, STATUS_FAILED, output};

const AFTER_HELP: &str = "\
Examples:
  kiln provision sum:live 5   keep five ready, and wait until they are
  kiln provision sum:live     show how many are
  kiln provision sum:live 0   keep none";

/// How often the server is asked while instances start.
const INTERVAL: Duration = Duration::from_millis(100);

/// What to keep ready.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The function and its version or alias, such as sum:live
    name: String,
    /// How many instances; 0 keeps none. Without it, what is kept is shown
    count: Option<u32>,
    /// Return at once
    #[arg(long)]
    no_wait: bool,
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    let Some((name, qualifier)) = args.name.rsplit_once(':') else {
        let name = &args.name;
        bail!(
            "instances are kept ready for a version or an alias: name it after the function, such as {name}:live (`kiln publish {name} --alias live` makes one)"
        );
    };
    let state = match args.count {
        None => client.provisioned(name, qualifier).await?,
        Some(0) => {
            if client.provisioned(name, qualifier).await?.is_some() {
                client.unprovision(name, qualifier).await?;
            }
            None
        }
        Some(count) => {
            let put = client.provision(name, qualifier, count).await?;
            match args.no_wait {
                true => Some(put),
                false => Some(wait(client, name, qualifier).await?),
            }
        }
    };
    let has_failed = state
        .as_ref()
        .is_some_and(|state| state["Status"] == "FAILED");
    match format {
        Format::Json => output::print_json(&state.unwrap_or_else(|| json!({})))?,
        Format::Table => output::print(&describe(state.as_ref()))?,
    }
    match has_failed {
        true => Ok(ExitCode::from(STATUS_FAILED)),
        false => Ok(ExitCode::SUCCESS),
    }
}

/// Waits until the instances are ready, or cannot be.
async fn wait(client: &Client, name: &str, qualifier: &str) -> Result<Value> {
    loop {
        let state = client.provisioned(name, qualifier).await?;
        let state = state.context("somebody else has ended this meanwhile")?;
        if state["Status"] != "IN_PROGRESS" {
            return Ok(state);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn describe(state: Option<&Value>) -> String {
    let Some(state) = state else {
        return "no instances are kept ready\n".to_owned();
    };
    let count = |member: &str| show(&state[member]);
    let (ready, wanted) = (
        count("AvailableProvisionedConcurrentExecutions"),
        count("RequestedProvisionedConcurrentExecutions"),
    );
    let status = show(&state["Status"]);
    match state["StatusReason"].as_str() {
        None => format!("{ready} of {wanted} instances are ready ({status})\n"),
        Some(reason) => format!("{ready} of {wanted} instances are ready ({status}: {reason})\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_ready_is_one_sentence() {
        assert_eq!(describe(None), "no instances are kept ready\n");
        let mut state = json!({
            "AvailableProvisionedConcurrentExecutions": 1,
            "RequestedProvisionedConcurrentExecutions": 2,
            "Status": "IN_PROGRESS",
        });
        let text = describe(Some(&state));
        assert_eq!(text, "1 of 2 instances are ready (IN_PROGRESS)\n");
        state["Status"] = "FAILED".into();
        state["StatusReason"] = "FUNCTION_ERROR_INIT_FAILURE".into();
        let text = describe(Some(&state));
        assert!(text.ends_with("(FAILED: FUNCTION_ERROR_INIT_FAILURE)\n"));
    }
}
