//! `kiln secrets`: what functions must know and nobody else may see.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::api::{Client, is_code};
use crate::output::{Rows, show};
use crate::{Format, given, output};

const AFTER_HELP: &str = "\
Examples:
  kiln secrets put shop/db < password.json        from stdin, so that it is in no list of processes
  kiln secrets put shop/db --file password.json
  kiln secrets list
  kiln secrets get shop/db
  kiln secrets delete shop/db --days 7            it can be had back for a week
  kiln secrets restore shop/db";

/// What to do with secrets.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List secrets, without what they say
    List {
        /// Those too that are to be deleted
        #[arg(long)]
        deleted: bool,
    },
    /// Keep what a secret says from now on, read from stdin; makes the secret if there is none
    Put {
        /// Its name
        name: String,
        /// Read it from this file
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Keep the line break at the end too
        #[arg(long)]
        exact: bool,
        /// What it is for
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
    },
    /// Print what a secret says, and nothing else
    Get {
        /// Its name or its ARN
        name: String,
        /// The version with this label, such as AWSPREVIOUS
        #[arg(long, value_name = "LABEL", default_value = "AWSCURRENT")]
        stage: String,
    },
    /// Have a secret deleted after some days, in which it can be had back
    Delete {
        /// Its name or its ARN
        name: String,
        /// After so many days, 7 to 30
        #[arg(
            long,
            value_name = "DAYS",
            default_value_t = 30,
            conflicts_with = "now"
        )]
        days: u32,
        /// At once and for good
        #[arg(long)]
        now: bool,
    },
    /// Have a secret back that is to be deleted
    Restore {
        /// Its name or its ARN
        name: String,
    },
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    match &args.what {
        What::List { deleted } => list(client, format, *deleted).await?,
        What::Put {
            name,
            file,
            exact,
            description,
        } => {
            let value = given::read(file.as_deref(), *exact)?;
            ensure!(!value.is_empty(), "the value is empty");
            let kept = put(client, name, value, description.as_deref()).await?;
            let version = show(&kept["VersionId"]);
            output::tell(
                format,
                &json!({
                    "secret": name, "arn": kept["ARN"], "version": version,
                }),
                || format!("{name} is kept, version {version}\n"),
            )?;
        }
        What::Get { name, stage } => get(client, format, name, stage).await?,
        What::Delete { name, days, now } => {
            let input = match now {
                true => json!({"SecretId": name, "ForceDeleteWithoutRecovery": true}),
                false => json!({"SecretId": name, "RecoveryWindowInDays": days}),
            };
            client.secret_call("DeleteSecret", &input).await?;
            match (format, now) {
                (Format::Json, _) => output::print_json(&json!({"secret": name}))?,
                (Format::Table, true) => output::print(&format!("{name} is deleted\n"))?,
                (Format::Table, false) => output::print(&format!(
                    "{name} is deleted in {days} days; until then: kiln secrets restore {name}\n"
                ))?,
            }
        }
        What::Restore { name } => {
            let input = json!({"SecretId": name});
            client.secret_call("RestoreSecret", &input).await?;
            output::tell(format, &json!({"secret": name}), || {
                format!("{name} stays\n")
            })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(client: &Client, format: Format, with_deleted: bool) -> Result<()> {
    let secrets = client.secrets(with_deleted).await?;
    let shown: Vec<Value> = secrets.iter().map(shown).collect();
    match format {
        Format::Json => output::print_json(&Value::Array(shown)),
        Format::Table => output::print(&table(&shown)),
    }
}

fn shown(secret: &Value) -> Value {
    let versions = secret["SecretVersionsToStages"].as_object();
    json!({
        "name": secret["Name"],
        "arn": secret["ARN"],
        "description": secret["Description"],
        "versions": versions.map_or(0, |versions| versions.len()),
        "isDeleted": !secret["DeletedDate"].is_null(),
    })
}

fn table(secrets: &[Value]) -> String {
    let mut rows = Rows::new(&["NAME", ">VERSIONS", "STATE", "DESCRIPTION"]);
    for secret in secrets {
        let state = match secret["isDeleted"] == true {
            true => "to be deleted",
            false => "kept",
        };
        rows.push([
            show(&secret["name"]),
            show(&secret["versions"]),
            state.to_owned(),
            show(&secret["description"]),
        ]);
    }
    rows.render()
}

/// Adds a version, to a secret that is made if it is not there.
async fn put(
    client: &Client,
    name: &str,
    value: Vec<u8>,
    description: Option<&str>,
) -> Result<Value> {
    let mut input = match String::from_utf8(value) {
        Ok(text) => json!({"SecretString": text}),
        Err(bytes) => json!({"SecretBinary": STANDARD.encode(bytes.as_bytes())}),
    };
    if let Some(description) = description {
        input["Description"] = description.into();
    }
    input["SecretId"] = name.into();
    let operation = match description {
        Some(_) => "UpdateSecret",
        None => "PutSecretValue",
    };
    match client.secret_call(operation, &input).await {
        Err(error) if is_code(&error, "ResourceNotFoundException") => {
            input["Name"] = input["SecretId"].take();
            if let Some(members) = input.as_object_mut() {
                members.remove("SecretId");
            }
            client.secret_call("CreateSecret", &input).await
        }
        other => other,
    }
}

async fn get(client: &Client, format: Format, name: &str, stage: &str) -> Result<()> {
    let input = json!({"SecretId": name, "VersionStage": stage});
    let secret = client.secret_call("GetSecretValue", &input).await?;
    if let Format::Json = format {
        return output::print_json(&json!({
            "secret": secret["Name"],
            "version": secret["VersionId"],
            "string": secret["SecretString"],
            "binary": secret["SecretBinary"],
        }));
    }
    match secret["SecretString"].as_str() {
        Some(text) => output::print(&format!("{text}\n")),
        None => {
            let bytes = STANDARD.decode(secret["SecretBinary"].as_str().unwrap_or_default())?;
            output::print_bytes(&bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::{not_found, ok, serve};

    #[tokio::test]
    async fn a_secret_that_is_not_there_is_made() {
        let (kept, asked) = serve(
            |asked| match asked.document.get("Name") {
                None => not_found(),
                Some(_) => ok(&json!({"VersionId": "v"})),
            },
            async |client| {
                put(&client, "shop/db", b"hunter2".to_vec(), None)
                    .await
                    .unwrap()
            },
        )
        .await;
        assert_eq!(kept["VersionId"], "v");
        let made = json!({"Name": "shop/db", "SecretString": "hunter2"});
        assert_eq!(asked[1].document, made);
        assert!(
            asked[1]
                .authorization
                .contains("/secretsmanager/aws4_request")
        );
    }

    #[tokio::test]
    async fn what_is_no_text_is_kept_as_bytes() {
        let (_, asked) = serve(
            |_| ok(&json!({})),
            async |client| put(&client, "k", vec![0, 255], Some("d")).await.unwrap(),
        )
        .await;
        let updated = json!({"SecretId": "k", "SecretBinary": "AP8=", "Description": "d"});
        assert_eq!(asked[0].document, updated);
    }

    #[test]
    fn a_list_says_which_are_to_be_deleted() {
        let secret = json!({"Name": "a", "DeletedDate": 1.0, "SecretVersionsToStages": {"v": []}});
        let table = table(&[shown(&secret)]);
        assert!(table.contains("to be deleted"), "{table}");
    }
}
