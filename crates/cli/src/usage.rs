//! `kiln usage`: what functions used and what that cost.
//!
//! The server counts and prices (docs/reference/admin-api.md); this only shows.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use kiln_types::{Clock, Timestamp};
use serde_json::Value;

use crate::api::Client;
use crate::output::{Rows, show};
use crate::{Format, duration, output};

/// What to count.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this function
    name: Option<String>,
    /// How far back to count, such as 90s, 10m, 24h or 7d
    #[arg(long, default_value = "24h", value_name = "TIME", value_parser = duration::parse)]
    since: Duration,
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    let since_ms = duration::before(client.clock.timestamp().as_millis(), args.since);
    let mut usage = client.usage(since_ms).await?;
    if let (Some(name), Some(functions)) = (&args.name, usage["functions"].as_array_mut()) {
        functions.retain(|function| function["functionName"] == name.as_str());
    }
    match format {
        Format::Json => output::print_json(&usage)?,
        Format::Table => {
            let functions = usage["functions"].as_array().map_or(&[][..], Vec::as_slice);
            if functions.is_empty() {
                let since = Timestamp::from_millis(since_ms);
                match &args.name {
                    Some(name) if client.configuration(name).await?.is_none() => eprintln!(
                        "there is no function {name}, and nothing was used by one of this name since {since}; \
                         `kiln list` shows what exists"
                    ),
                    _ => eprintln!("nothing was used since {since}"),
                }
            } else {
                output::print(&table(functions))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn table(functions: &[Value]) -> String {
    let mut rows = Rows::new(&[
        "FUNCTION",
        ">INVOCATIONS",
        ">ERRORS",
        ">COLD",
        ">RESTORED",
        ">P50 MS",
        ">P99 MS",
        ">BILLED MS",
        ">GB-SECONDS",
        ">KEPT GB-S",
        ">CPU MS",
        ">PEAK MEMORY",
        ">RECEIVED",
        ">SENT",
        ">COST USD",
    ]);
    for function in functions {
        let bytes = |name: &str| {
            let bytes = function[name].as_u64();
            bytes.map_or_else(|| "-".to_owned(), output::show_bytes)
        };
        rows.push([
            show(&function["functionName"]),
            show(&function["invocations"]),
            show(&function["errors"]),
            show(&function["coldStarts"]),
            show(&function["restores"]),
            decimals(&function["durationP50Ms"], 2),
            decimals(&function["durationP99Ms"], 2),
            show(&function["billedMs"]),
            decimals(&function["gbSeconds"], 6),
            decimals(&function["provisionedGbSeconds"], 3),
            show(&function["cpuMs"]),
            bytes("memoryPeakBytes"),
            bytes("receivedBytes"),
            bytes("sentBytes"),
            show(&function["costUsd"]),
        ]);
    }
    rows.render()
}

/// A number with so many digits after the point: sums of floats have many that say nothing.
fn decimals(number: &Value, digits: usize) -> String {
    number
        .as_f64()
        .map_or_else(|| show(number), |number| format!("{number:.digits$}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn table_shows_counts_and_cost() {
        let text = table(&[json!({
            "functionName": "sum", "invocations": 12, "errors": 1, "coldStarts": 2, "restores": 77, "billedMs": 34,
            "gbSeconds": 0.004_250_000_000_1, "provisionedGbSeconds": 120, "durationP50Ms": 1.234_5, "durationP99Ms": 20, "cpuMs": 20, "memoryPeakBytes": 31_457_280, "receivedBytes": 5_242_880, "sentBytes": 2_048, "costUsd": "0.0000024708",
        })]);
        assert_eq!(text.lines().count(), 2);
        for part in [
            "12",
            "RESTORED",
            "77",
            "30.0 MiB",
            "5.0 MiB",
            "2.0 KiB",
            "0.0000024708",
            "0.004250",
            "120.000",
            "1.23",
            "20.00",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
    }
}
