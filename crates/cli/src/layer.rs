//! `kiln layer`: packages that functions share.
//!
//! A layer's directory is what functions see at `/opt`; `python/` and `python/lib/python3.X/site-packages`
//! in it are on the search path of Python, `bin/` and `lib/` on those of programs and libraries.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use crate::api::Client;
use crate::deploy::package::Package;
use crate::output::{Rows, show, show_bytes};
use crate::{Format, output};

/// What to do with layers.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Upload a directory or a zip as the next version of a layer
    Publish(Publish),
    /// List the layers, or the versions of one
    #[command(visible_alias = "ls")]
    List(List),
    /// Delete a version of a layer; functions that have it keep it
    #[command(visible_alias = "rm")]
    Delete(Delete),
}

#[derive(Debug, clap::Args)]
struct Publish {
    /// The layer's name
    name: String,
    /// What functions see at /opt: a directory, a .zip, or one file
    #[arg(value_name = "DIR|ZIP|FILE")]
    path: PathBuf,
    /// A runtime it is made for, such as python3.11; repeat it for more
    #[arg(long)]
    runtime: Vec<String>,
    /// A processor it is built for; repeat it for more
    #[arg(long, value_name = "x86_64|arm64", value_parser = ["x86_64", "arm64"])]
    architecture: Vec<String>,
    /// What the layer is for
    #[arg(long)]
    description: Option<String>,
    /// Its licence: a name such as MIT, or where to read it
    #[arg(long)]
    license: Option<String>,
}

#[derive(Debug, clap::Args)]
struct List {
    /// The layer whose versions to list [default: all layers, with their newest version]
    name: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Delete {
    /// The layer's name
    name: String,
    /// The version
    version: u64,
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    match &args.verb {
        Verb::Publish(args) => publish(client, format, args).await?,
        Verb::List(args) => list(client, format, args).await?,
        Verb::Delete(args) => {
            client
                .delete_layer_version(&args.name, args.version)
                .await?;
            let name = format!("{}:{}", args.name, args.version);
            match format {
                Format::Json => output::print_json(&json!({ "Deleted": name }))?,
                Format::Table => eprintln!("deleted {name}"),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn publish(client: &Client, format: Format, args: &Publish) -> Result<()> {
    let package = Package::read(&args.path)?;
    let (files, bytes) = (package.files.len(), show_bytes(package.zip.len() as u64));
    eprintln!(
        "packaged {}: {files} file(s), {bytes} zipped",
        args.path.display()
    );
    let published = client
        .publish_layer(&args.name, document(args), &package.zip)
        .await?;
    match format {
        Format::Json => output::print_json(&published)?,
        Format::Table => {
            let mut rows = Rows::pairs();
            rows.push(["Layer".to_owned(), show(&published["LayerVersionArn"])]);
            output::print(&rows.render())?;
        }
    }
    let version = show(&published["Version"]);
    eprintln!("next: kiln deploy DIR --layer {}:{version}", args.name);
    Ok(())
}

/// The members of `PublishLayerVersion`, without the content.
fn document(args: &Publish) -> Value {
    let mut document = Map::new();
    let mut set = |member: &str, value: Option<Value>| {
        if let Some(value) = value {
            document.insert(member.to_owned(), value);
        }
    };
    let list = |list: &[String]| (!list.is_empty()).then(|| json!(list));
    set("Description", args.description.as_deref().map(Value::from));
    set("LicenseInfo", args.license.as_deref().map(Value::from));
    set("CompatibleRuntimes", list(&args.runtime));
    set("CompatibleArchitectures", list(&args.architecture));
    Value::Object(document)
}

async fn list(client: &Client, format: Format, args: &List) -> Result<()> {
    let layers = match &args.name {
        None => client.layers().await?,
        Some(name) => client.layer_versions(name).await?,
    };
    match format {
        Format::Json => output::print_json(&Value::Array(layers))?,
        Format::Table if layers.is_empty() => {
            eprintln!("no layers yet: `kiln layer publish NAME DIR` makes one");
        }
        Format::Table => output::print(&table(&layers))?,
    }
    Ok(())
}

/// Layers with their newest versions, or versions of one layer.
fn table(layers: &[Value]) -> String {
    let mut rows = Rows::new(&["LAYER", ">VERSION", "RUNTIMES", "CREATED", "DESCRIPTION"]);
    for layer in layers {
        let version = match &layer["LatestMatchingVersion"] {
            Value::Null => layer,
            version => version,
        };
        let arn = show(&version["LayerVersionArn"]);
        let name = arn.split(':').nth(6).unwrap_or_default().to_owned();
        let runtimes = version["CompatibleRuntimes"].as_array();
        let runtimes: Vec<String> = runtimes.into_iter().flatten().map(show).collect();
        rows.push([
            name,
            show(&version["Version"]),
            runtimes.join(" "),
            show(&version["CreatedDate"]),
            show(&version["Description"]),
        ]);
    }
    rows.render()
}

/// The ARNs of layers named `NAME` (their newest version), `NAME:VERSION` or by ARN.
pub(crate) async fn arns(client: &Client, named: &[String]) -> Result<Vec<String>> {
    let mut arns = Vec::with_capacity(named.len());
    for name in named {
        arns.push(match name.starts_with("arn:") {
            true => name.clone(),
            false => arn(client, name).await?,
        });
    }
    Ok(arns)
}

async fn arn(client: &Client, named: &str) -> Result<String> {
    let (name, wanted) = match named.split_once(':') {
        None => (named, None),
        Some((name, version)) => {
            let version = version.parse::<u64>();
            let version = version
                .with_context(|| format!("--layer {named} is not NAME, NAME:VERSION or an ARN"))?;
            (name, Some(version))
        }
    };
    let versions = client.layer_versions(name).await?;
    let found = versions
        .iter()
        .find(|version| wanted.is_none() || version["Version"].as_u64() == wanted);
    match found {
        Some(version) => Ok(show(&version["LayerVersionArn"])),
        None => bail!("there is no layer '{named}'\n  next: `kiln layer list` shows what exists"),
    }
}

#[cfg(test)]
mod tests;
