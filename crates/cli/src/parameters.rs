//! `kiln parameters`: settings that functions read, by name and path.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::api::Client;
use crate::output::{Rows, show};
use crate::{Format, given, output};

const AFTER_HELP: &str = "\
Examples:
  echo https://mail.example | kiln parameters put /shop/mail/url
  kiln parameters put /shop/mail/key --kind secret --file key.txt
  kiln parameters list --path /shop
  kiln parameters get /shop/mail/url
  kiln parameters get /shop/mail/url:1            an earlier version
  kiln parameters delete /shop/mail/url";

/// What to do with parameters.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

/// What kind of text it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// Any text
    String,
    /// Texts with commas between them
    List,
    /// A text that only those see who may
    Secret,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List parameters, without what they say
    List {
        /// Only those below this path, at any depth
        #[arg(long, value_name = "PATH")]
        path: Option<String>,
    },
    /// Keep what a parameter says from now on, read from stdin
    Put {
        /// Its name
        name: String,
        /// Read it from this file
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Keep the line break at the end too
        #[arg(long)]
        exact: bool,
        /// What kind of text it is [default: as it was; string for a new one]
        #[arg(long, value_enum)]
        kind: Option<Kind>,
        /// What it is for
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
    },
    /// Print what a parameter says, and nothing else
    Get {
        /// Its name or its ARN, and perhaps :VERSION or :LABEL
        name: String,
    },
    /// Delete a parameter and all its versions
    Delete {
        /// Its name
        name: String,
    },
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    match &args.what {
        What::List { path } => list(client, format, path.as_deref()).await?,
        What::Put {
            name,
            file,
            exact,
            kind,
            description,
        } => {
            let value = given::read(file.as_deref(), *exact)?;
            ensure!(!value.is_empty(), "the value is empty");
            let value = String::from_utf8(value)
                .ok()
                .context("the value is no text in UTF-8, and a parameter has nothing else")?;
            let mut input = json!({"Name": name, "Value": value, "Overwrite": true});
            if let Some(description) = description {
                input["Description"] = description.as_str().into();
            }
            let version = put(client, input, *kind).await?;
            match format {
                Format::Json => {
                    output::print_json(&json!({"parameter": name, "version": version}))?;
                }
                Format::Table => output::print(&format!("{name} is kept, version {version}\n"))?,
            }
        }
        What::Get { name } => {
            let input = json!({"Name": name, "WithDecryption": true});
            let read = client.parameter_call("GetParameter", &input).await?;
            let read = &read["Parameter"];
            output::tell(
                format,
                &json!({
                    "parameter": read["Name"], "version": read["Version"], "type": read["Type"], "value": read["Value"],
                }),
                || format!("{}\n", show(&read["Value"])),
            )?;
        }
        What::Delete { name } => {
            let input = json!({"Name": name});
            client.parameter_call("DeleteParameter", &input).await?;
            output::tell(format, &json!({"parameter": name}), || {
                format!("{name} is deleted\n")
            })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A new version of a parameter, which is of the same kind as before unless told. Gives its number.
async fn put(client: &Client, mut input: Value, kind: Option<Kind>) -> Result<Value> {
    let kind = match kind {
        Some(kind) => Some(kind),
        None => {
            let name = [input["Name"].clone()];
            let known = client.parameters(json!([{"Key": "Name", "Values": name}]));
            known.await?.is_empty().then_some(Kind::String)
        }
    };
    if let Some(kind) = kind {
        input["Type"] = match kind {
            Kind::String => "String".into(),
            Kind::List => "StringList".into(),
            Kind::Secret => "SecureString".into(),
        };
    }
    let kept = client.parameter_call("PutParameter", &input).await?;
    Ok(kept["Version"].clone())
}

async fn list(client: &Client, format: Format, path: Option<&str>) -> Result<()> {
    let filters = match path {
        Some(path) => json!([{"Key": "Path", "Option": "Recursive", "Values": [path]}]),
        None => json!([]),
    };
    let parameters = client.parameters(filters).await?;
    let shown: Vec<Value> = parameters.iter().map(shown).collect();
    match format {
        Format::Json => output::print_json(&Value::Array(shown)),
        Format::Table => output::print(&table(&shown)),
    }
}

fn shown(parameter: &Value) -> Value {
    json!({
        "name": parameter["Name"],
        "type": parameter["Type"],
        "version": parameter["Version"],
        "description": parameter["Description"],
    })
}

fn table(parameters: &[Value]) -> String {
    let mut rows = Rows::new(&["NAME", "TYPE", ">VERSION", "DESCRIPTION"]);
    for parameter in parameters {
        let cells = ["name", "type", "version", "description"];
        rows.push(cells.map(|cell| show(&parameter[cell])));
    }
    rows.render()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::{ok, serve};

    #[tokio::test]
    async fn a_new_parameter_is_a_string_and_another_stays_what_it_is() {
        let (kept, asked) = serve(
            |asked| match (
                asked.document.get("Value"),
                asked.document["ParameterFilters"].to_string(),
            ) {
                (Some(_), _) => ok(&json!({"Version": 2})),
                (None, filters) if filters.contains("known") => {
                    ok(&json!({"Parameters": [{"Name": "/known"}]}))
                }
                _ => ok(&json!({"Parameters": []})),
            },
            async |client| {
                let new = json!({"Name": "/new", "Value": "v"});
                put(&client, new, None).await.unwrap();
                let known = json!({"Name": "/known", "Value": "v"});
                put(&client, known.clone(), None).await.unwrap();
                put(&client, known, Some(Kind::Secret)).await.unwrap()
            },
        )
        .await;
        assert_eq!(kept, 2);
        let kinds: Vec<&Value> = asked
            .iter()
            .filter(|asked| asked.document.get("Value").is_some())
            .map(|asked| &asked.document["Type"])
            .collect();
        assert_eq!(
            kinds,
            [&json!("String"), &Value::Null, &json!("SecureString")]
        );
    }
}
