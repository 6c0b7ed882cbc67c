//! `kiln describe`: everything about one function.

use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::api::Client;
use crate::output::{Rows, show, show_bytes};
use crate::{Format, output};

/// Which function.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The function's name or ARN
    name: String,
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    let mut function = client.function(&args.name).await?.with_context(|| {
        format!(
            "there is no function '{}'\n  next: `kiln list` shows what exists",
            args.name
        )
    })?;
    let url = match is_version(&args.name) {
        true => None,
        false => client.function_url(&args.name).await?,
    };
    match format {
        Format::Json => {
            function["FunctionUrlConfig"] = url.unwrap_or(Value::Null);
            output::print_json(&function)?;
        }
        Format::Table => output::print(&table(&function, url.as_ref()))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether it is a published version, which has no URL of its own.
fn is_version(name: &str) -> bool {
    let qualifier = name.rsplit_once(':').map(|(_, qualifier)| qualifier);
    qualifier.is_some_and(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
}

fn table(function: &Value, url: Option<&Value>) -> String {
    let configuration = &function["Configuration"];
    let mut rows = Rows::pairs();
    for (title, member) in [
        ("Name", "FunctionName"),
        ("ARN", "FunctionArn"),
        ("Description", "Description"),
        ("Runtime", "Runtime"),
        ("Handler", "Handler"),
        ("Role", "Role"),
    ] {
        rows.push([title.to_owned(), show(&configuration[member])]);
    }
    if let Some(image) = function["Code"]["ImageUri"].as_str() {
        rows.push(["Image".to_owned(), image.to_owned()]);
    }
    rows.push([
        "Memory".to_owned(),
        format!("{} MB", show(&configuration["MemorySize"])),
    ]);
    rows.push([
        "Timeout".to_owned(),
        format!("{} s", show(&configuration["Timeout"])),
    ]);
    let temporary = show(&configuration["EphemeralStorage"]["Size"]);
    rows.push(["/tmp".to_owned(), format!("{temporary} MB")]);
    let code_size = configuration["CodeSize"].as_u64().unwrap_or(0);
    let digest = show(&configuration["CodeSha256"]);
    rows.push([
        "Code".to_owned(),
        format!("{}, sha256 {digest}", show_bytes(code_size)),
    ]);
    for layer in configuration["Layers"].as_array().into_iter().flatten() {
        rows.push(["Layer".to_owned(), show(&layer["Arn"])]);
    }
    let file_systems = configuration["FileSystemConfigs"].as_array();
    for mount in file_systems.into_iter().flatten() {
        let (path, arn) = (show(&mount["LocalMountPath"]), show(&mount["Arn"]));
        rows.push(["File system".to_owned(), format!("{path} {arn}")]);
    }
    let snap_start = &configuration["SnapStart"];
    rows.push([
        "SnapStart".to_owned(),
        format!(
            "{}, {}",
            show(&snap_start["ApplyOn"]),
            show(&snap_start["OptimizationStatus"])
        ),
    ]);
    if let Some(mode) = configuration["TenancyConfig"]["TenantIsolationMode"].as_str() {
        rows.push(["Tenant isolation".to_owned(), mode.to_owned()]);
    }
    rows.push(["State".to_owned(), state(configuration)]);
    rows.push(["Modified".to_owned(), show(&configuration["LastModified"])]);
    rows.push([
        "Log group".to_owned(),
        show(&configuration["LoggingConfig"]["LogGroup"]),
    ]);
    rows.push([
        "Log format".to_owned(),
        show(&configuration["LoggingConfig"]["LogFormat"]),
    ]);
    let reserved = &function["Concurrency"]["ReservedConcurrentExecutions"];
    rows.push(["Reserved concurrency".to_owned(), show(reserved)]);
    if let Some(url) = url {
        let (address, auth) = (show(&url["FunctionUrl"]), show(&url["AuthType"]));
        rows.push(["URL".to_owned(), format!("{address} ({auth})")]);
    }
    for (title, document) in [
        ("Environment", &configuration["Environment"]["Variables"]),
        ("Tag", &function["Tags"]),
    ] {
        for (key, value) in document.as_object().into_iter().flatten() {
            rows.push([title.to_owned(), format!("{key}={}", show(value))]);
        }
    }
    rows.render()
}

/// State and last update, with the reason where one is given.
fn state(configuration: &Value) -> String {
    let mut text = show(&configuration["State"]);
    let reasons = ["StateReason", "LastUpdateStatusReason"].map(|member| &configuration[member]);
    for (index, reason) in reasons.iter().enumerate() {
        // A function that could not be made has the same reason twice.
        let is_new = !reasons[..index].contains(reason);
        if let Some(reason) = reason.as_str().filter(|_| is_new) {
            text = format!("{text}: {reason}");
        }
    }
    match configuration["LastUpdateStatus"].as_str() {
        Some(update) if update != "Successful" => format!("{text} (last update: {update})"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn versions_have_no_url() {
        for version in ["sum:3", "arn:aws:lambda:r:000000000000:function:sum:12"] {
            assert!(is_version(version), "{version}");
        }
        for other in ["sum", "sum:live", "sum:$LATEST", "123", "sum:"] {
            assert!(!is_version(other), "{other}");
        }
    }

    #[test]
    fn a_reason_is_said_once() {
        let same = json!({
            "State": "Failed", "StateReason": "no image", "LastUpdateStatusReason": "no image",
        });
        assert_eq!(state(&same), "Failed: no image");
        let two = json!({
            "State": "Active", "StateReason": "a", "LastUpdateStatusReason": "b",
        });
        assert_eq!(state(&two), "Active: a: b");
    }

    #[test]
    fn table_shows_configuration_concurrency_url_and_variables() {
        let function = json!({
            "Configuration": {
                "FunctionName": "sum", "MemorySize": 256, "Timeout": 3, "State": "Failed",
                "StateReason": "no interpreter", "LastUpdateStatus": "Failed",
                "Layers": [{ "Arn": "arn:l:1" }, { "Arn": "arn:m:2" }],
                "Environment": { "Variables": { "STAGE": "test" } },
                "TenancyConfig": { "TenantIsolationMode": "PER_TENANT" },
            },
            "Concurrency": { "ReservedConcurrentExecutions": 7 },
        });
        let url = json!({ "FunctionUrl": "http://x/", "AuthType": "NONE" });
        let text = table(&function, Some(&url));
        for part in [
            "256 MB",
            "arn:l:1",
            "arn:m:2",
            "STAGE=test",
            "PER_TENANT",
            "http://x/ (NONE)",
            " 7\n",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        assert!(
            text.contains("Failed: no interpreter (last update: Failed)"),
            "{text}"
        );
    }
}
