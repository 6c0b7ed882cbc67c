//! `kiln alias`: points an alias at a version, or at two.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Map, Value, json};

use crate::api::Client;
use crate::{Format, output};

const AFTER_HELP: &str = "Callers name the alias after the function: `kiln invoke sum:live`.";

/// What to point where.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The function's name or ARN
    name: String,
    /// The alias; it is made when there is none
    alias: String,
    /// The version's number, or $LATEST
    version: String,
    /// Let another version have a part of the invocations, from 0 to 1
    #[arg(long, value_name = "VERSION=PART", value_parser = parse_share)]
    share: Option<(String, f64)>,
}

fn parse_share(text: &str) -> Result<(String, f64), String> {
    let share = text
        .split_once('=')
        .and_then(|(version, part)| Some((version.to_owned(), part.parse().ok()?)));
    let share = share.filter(|(_, part)| (0.0..=1.0).contains(part));
    share.ok_or_else(|| "expected a version and its part, such as 2=0.1".to_owned())
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    let weights: Map<String, Value> = args
        .share
        .iter()
        .map(|(version, part)| (version.clone(), json!(part)))
        .collect();
    let to = json!({
        "FunctionVersion": args.version,
        "RoutingConfig": { "AdditionalVersionWeights": weights },
    });
    let set = client.set_alias(&args.name, &args.alias, &to).await?;
    match format {
        Format::Json => output::print_json(&set)?,
        Format::Table => eprintln!("{} points at version {}", args.alias, args.version),
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_version_and_a_part_of_the_whole() {
        assert_eq!(parse_share("2=0.1"), Ok(("2".to_owned(), 0.1)));
        for text in ["2", "2=", "2=1.1", "2=-0.1", "2=many"] {
            assert!(parse_share(text).is_err(), "{text}");
        }
    }
}
