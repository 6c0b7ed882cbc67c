//! `kiln publish`: keeps a function's present code and settings as a version.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use crate::api::Client;
use crate::deploy::wait;
use crate::output::show;
use crate::{Format, output};

const AFTER_HELP: &str =
    "Publishing again without a change gives the version that is there already.";

/// What to publish.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The function's name or ARN
    name: String,
    /// What to say about the version
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Point this alias at the version, and make it when there is none
    #[arg(long, value_name = "ALIAS")]
    alias: Option<String>,
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    let published = client
        .publish(&args.name, args.description.as_deref())
        .await?;
    let version = show(&published["Version"]);
    if published["State"] == "Pending" {
        // It is being initialised for its snapshot; an alias must not lead to one that fails.
        wait::until_active(client, &format!("{}:{version}", args.name)).await?;
    }
    if let Some(alias) = &args.alias {
        let to = json!({
            "FunctionVersion": version,
            "RoutingConfig": { "AdditionalVersionWeights": {} },
        });
        client.set_alias(&args.name, alias, &to).await?;
    }
    output::tell(format, &published, || format!("{version}\n"))?;
    Ok(ExitCode::SUCCESS)
}
