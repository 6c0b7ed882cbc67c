//! `kiln list`: the functions of this account.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::Value;

use crate::api::Client;
use crate::output::{Rows, show};
use crate::{Format, output};

/// Nothing to choose.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub(crate) async fn run(client: &Client, format: Format, _args: &Args) -> Result<ExitCode> {
    let functions = client.functions().await?;
    match format {
        Format::Json => output::print_json(&Value::Array(functions))?,
        Format::Table if functions.is_empty() => {
            eprintln!("no functions yet: `kiln deploy DIR` makes one");
        }
        Format::Table => output::print(&table(&functions))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn table(functions: &[Value]) -> String {
    let mut rows = Rows::new(&[
        "NAME", "RUNTIME", "HANDLER", ">MEMORY", ">TIMEOUT", ">CODE", "MODIFIED",
    ]);
    for function in functions {
        rows.push([
            show(&function["FunctionName"]),
            show(&function["Runtime"]),
            show(&function["Handler"]),
            format!("{} MB", show(&function["MemorySize"])),
            format!("{} s", show(&function["Timeout"])),
            output::show_bytes(function["CodeSize"].as_u64().unwrap_or(0)),
            show(&function["LastModified"]),
        ]);
    }
    rows.render()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn table_has_a_line_for_each_function() {
        let functions = [json!({
            "FunctionName": "sum", "Runtime": "python3.11", "Handler": "lambda_function.lambda_handler",
            "MemorySize": 128, "Timeout": 3, "CodeSize": 302, "LastModified": "2026-01-01T00:00:00.000+0000",
        })];
        let text = table(&functions);
        assert_eq!(text.lines().count(), 2);
        assert!(text.contains("128 MB"), "{text}");
        assert!(text.contains("302 B"), "{text}");
    }
}
