//! `kiln vault`: the keys under which Kiln seals what it keeps.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::api::Client;
use crate::{Format, output};

const AFTER_HELP: &str = "\
Examples:
  (umask 077; kiln vault new-key > master.key)   a master key, for kiln serve --master-key-file
  kiln vault rotate                              new data keys for every account; the old ones are destroyed

docs/guide/sealing.md says what is sealed, and how a master key is replaced.";

/// What to do with keys.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Print a new master key, which no server knows
    NewKey,
    /// Seal everything by new data keys, and destroy the ones before
    Rotate,
}

/// Whether these arguments need no server.
pub(crate) fn needs_no_server(args: &Args) -> bool {
    matches!(args.what, What::NewKey)
}

/// Prints a new master key.
pub(crate) fn run_alone() -> Result<ExitCode> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("draw random bytes: {error}"))?;
    output::print(&format!("{}\n", STANDARD.encode(bytes)))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    match args.what {
        What::NewKey => return run_alone(),
        What::Rotate => {
            let done = client.rotate_data_keys().await?;
            output::tell(format, &done, || told(&done))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn told(done: &Value) -> String {
    let (keys, texts) = (&done["dataKeys"], &done["sealedAnew"]);
    format!(
        "{keys} data keys were replaced and destroyed; {texts} rows are sealed by the new ones\n"
    )
}
