//! `kiln delete`: removes a function for good.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::api::Client;
use crate::{Format, output};

const AFTER_HELP: &str = "Code, configuration and URL are gone for good; logs and usage stay.";

/// What to delete.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The function's name or ARN
    name: String,
    /// Do not ask first
    #[arg(long, short)]
    yes: bool,
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    if !args.yes && !confirmed(&args.name)? {
        bail!("nothing was deleted");
    }
    client.delete_function(&args.name).await?;
    match format {
        Format::Json => output::print_json(&json!({ "Deleted": args.name }))?,
        Format::Table => eprintln!("deleted {}", args.name),
    }
    Ok(ExitCode::SUCCESS)
}

fn confirmed(name: &str) -> Result<bool> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        bail!("deleting {name} needs a yes: pass --yes where nobody can be asked");
    }
    eprint!("Delete {name} with its code, configuration and URL? [y/N] ");
    std::io::stderr().flush().context("write to stderr")?;
    let mut answer = String::new();
    stdin
        .lock()
        .read_line(&mut answer)
        .context("read the answer")?;
    Ok(is_yes(&answer))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        assert!(is_yes("y\n") && is_yes("YES\n"));
        assert!(!is_yes("\n") && !is_yes("n\n") && !is_yes("yellow\n"));
    }
}
