//! `kiln status`: how the server stands, in numbers.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::Value;

use crate::api::Client;
use crate::output::{Rows, show};
use crate::{Format, output};

/// Nothing to say.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub(crate) async fn run(client: &Client, format: Format, _: &Args) -> Result<ExitCode> {
    let status = client.status().await?;
    output::tell(format, &status, || table(&status))?;
    Ok(ExitCode::SUCCESS)
}

/// A line a number, whatever the server counts: a newer one may count more.
fn table(status: &Value) -> String {
    let mut rows = Rows::pairs();
    for (part, figures) in status.as_object().into_iter().flatten() {
        for (name, figure) in figures.as_object().into_iter().flatten() {
            match figure.as_object() {
                Some(by_name) => {
                    for (inner, figure) in by_name {
                        rows.push([format!("{part} {name} {inner}"), show(figure)]);
                    }
                }
                None => rows.push([format!("{part} {name}"), show(figure)]),
            }
        }
    }
    rows.render()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_figure_has_a_line() {
        let text = table(&json!({
            "logs": {"dropped": 7},
            "sandboxes": {"live": 3, "stemsReady": {"python3.11": 4}},
        }));
        let lines: Vec<_> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .collect();
        assert_eq!(
            lines,
            [
                vec!["logs", "dropped", "7"],
                vec!["sandboxes", "live", "3"],
                vec!["sandboxes", "stemsReady", "python3.11", "4"],
            ]
        );
    }
}
