//! `kiln deploy`: makes a function out of a directory, a zip or a file, or brings one up to date.
//!
//! The order: package ([`package`]), look at what exists, infer what was not said ([`infer`]),
//! create or change only what differs ([`document`]), wait until the server is done ([`wait`]),
//! open a URL ([`url`]) or an HTTP API ([`http_api`]) when asked. Running it twice changes nothing the second time.

mod document;
mod http_api;
mod ignore;
mod image;
mod infer;
pub(crate) mod package;
mod url;
pub(crate) mod wait;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use kiln_types::{AccessPoint, AccessPointArn, FunctionName};
use serde_json::{Value, json};

use crate::api::Client;
use crate::output::{Rows, show, show_bytes};
use crate::{Format, layer, output};
use infer::Choice;
use package::Package;

const AFTER_HELP: &str = "\
Runtime and handler are read from the code unless they are given. What is not given keeps its
value when the function exists. Files named in DIR/.kilnignore stay out of the package.

Examples:
  kiln deploy examples/sum
  kiln deploy resize.py --memory 512 --timeout 30 --env BUCKET=photos --url
  kiln deploy web --api
  kiln deploy chat --url --stream
  kiln deploy build/app.zip --name app --runtime python3.11 --handler app.handler
  kiln deploy --image docker-archive:/srv/images/app.tar --name app";

/// What to deploy, and as what.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The code: a directory, a .zip, or one source file
    #[arg(value_name = "DIR|ZIP|FILE", required_unless_present = "image")]
    path: Option<PathBuf>,
    /// A container image instead of code: its name at a registry, or oci:PATH or docker-archive:PATH
    /// on the server's disk
    #[arg(long, value_name = "URI", conflicts_with_all = ["path", "runtime", "handler", "layer"], requires = "name")]
    image: Option<String>,
    /// The function's name [default: the name of the directory or file; of a file called app,
    /// index or the like the name of its directory]
    #[arg(long)]
    name: Option<String>,
    /// The runtime, such as python3.11 [default: the newest the server has for this code]
    #[arg(long)]
    runtime: Option<String>,
    /// Where the code starts, such as app.handler [default: found in the code]
    #[arg(long)]
    handler: Option<String>,
    /// Memory in MB; processor time grows with it [default: 128]
    #[arg(long, value_name = "MB")]
    memory: Option<u64>,
    /// The longest one invocation may take, in seconds [default: 3]
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// An environment variable; repeat it for more. Together they replace all earlier ones
    #[arg(long, value_name = "KEY=VALUE", value_parser = document::variable)]
    env: Vec<(String, String)>,
    /// A layer: its name (then its newest version), NAME:VERSION, or ARN; repeat it for more, later
    /// ones lie over earlier ones. Together they replace all earlier ones
    #[arg(long, value_name = "LAYER")]
    layer: Vec<String>,
    /// A directory that the server's operator has named, and where the function sees it, such as
    /// models:/mnt/models
    #[arg(long, value_name = "NAME:PATH", value_parser = document::file_system)]
    file_system: Option<(String, String)>,
    /// Whether versions start from a snapshot of the initialised function (SnapStart)
    #[arg(
        long,
        value_name = "on|off",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "on"
    )]
    snap_start: Option<Switch>,
    /// Have each invocation name a tenant, and no instance serve two of them: for a new function, once and for all
    #[arg(long, conflicts_with_all = ["url", "api"])]
    per_tenant: bool,
    /// The role the function runs as
    #[arg(long, value_name = "ARN")]
    role: Option<String>,
    /// Give the function a public URL that needs no keys
    #[arg(long)]
    url: bool,
    /// With --url: send answers while the function makes them (response streaming)
    #[arg(long, requires = "url")]
    stream: bool,
    /// Give the function an HTTP API whose requests all go to it
    #[arg(long)]
    api: bool,
    /// What the function is for
    #[arg(long)]
    description: Option<String>,
    /// The processor the code is built for
    #[arg(long, value_name = "x86_64|arm64", value_parser = ["x86_64", "arm64"])]
    architecture: Option<String>,
    /// How log lines are written
    #[arg(long, value_name = "Text|JSON", value_parser = ["Text", "JSON"], ignore_case = true)]
    log_format: Option<String>,
}

/// Whether something is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Switch {
    On,
    Off,
}

/// What a function has besides its code, by ARN.
#[derive(Debug, Default)]
struct Attached {
    layers: Vec<String>,
    /// And where the function sees it.
    file_system: Option<(String, String)>,
}

/// Where the function is reached over HTTP.
#[derive(Debug, Default)]
struct Reached {
    url: Option<String>,
    api: Option<String>,
}

/// What a deployment did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Created,
    Updated,
    Unchanged,
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    let name = function_name(args)?;
    let attached = Attached {
        layers: layer::arns(client, &args.layer).await?,
        file_system: file_system(client, args).await?,
    };
    let action = match &args.image {
        Some(uri) => image::deploy(client, name.as_str(), uri, &attached, args).await?,
        None => deploy(client, name.as_str(), &attached, args).await?,
    };
    let configuration = wait::until_active(client, name.as_str()).await?;
    let url = match args.url {
        true => Some(url::open(client, name.as_str(), args.stream).await?),
        false => None,
    };
    let arn = show(&configuration["FunctionArn"]);
    let api = match args.api {
        true => Some(http_api::open(client, name.as_str(), &arn).await?),
        false => None,
    };
    let reached = Reached { url, api };
    output::tell(format, &summary(&configuration, action, &reached), || {
        table(&configuration, &reached)
    })?;
    let is_per_tenant = !configuration["TenancyConfig"].is_null();
    suggest(name.as_str(), args.path(), is_per_tenant, &reached);
    Ok(ExitCode::SUCCESS)
}

impl Args {
    /// The code; nothing where an image is named.
    fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new(""))
    }
}

/// Creates or updates a function of code.
async fn deploy(client: &Client, name: &str, attached: &Attached, args: &Args) -> Result<Action> {
    let package = Package::read(args.path())?;
    let (files, bytes) = (package.files.len(), show_bytes(package.zip.len() as u64));
    eprintln!(
        "packaged {}: {files} file(s), {bytes} zipped",
        args.path().display()
    );
    match client.function(name).await? {
        None => create(client, name, &package, attached, args).await,
        Some(existing) => {
            let existing = &existing["Configuration"];
            check_tenancy(name, existing, args)?;
            update(client, name, existing, &package, attached, args).await
        }
    }
}

/// Refuses to let its owner believe that a function which is there tells its tenants apart.
fn check_tenancy(name: &str, existing: &Value, args: &Args) -> Result<()> {
    if args.per_tenant && existing["TenancyConfig"].is_null() {
        bail!(
            "the function {name} is there, and whether it tells its tenants apart is said when it is made\n  next: \
             `kiln delete {name}` and deploy it again, or give it another --name"
        );
    }
    Ok(())
}

/// The role given, or one that every account has.
async fn role(client: &Client, args: &Args) -> Result<String> {
    Ok(match &args.role {
        Some(role) => role.clone(),
        // Kiln knows one role that every account has; AWS would ask for one of the user's.
        None => format!("arn:aws:iam::{}:role/kiln-default", client.account().await?),
    })
}

/// The ARN of the named file system, which follows from the name, and its path.
async fn file_system(client: &Client, args: &Args) -> Result<Option<(String, String)>> {
    let Some((name, path)) = &args.file_system else {
        return Ok(None);
    };
    let arn = AccessPointArn {
        region: client.region().parse()?,
        account: client.account().await?.parse()?,
        access_point: AccessPoint::named(name),
    };
    Ok(Some((arn.to_string(), path.clone())))
}

async fn create(
    client: &Client,
    name: &str,
    package: &Package,
    attached: &Attached,
    args: &Args,
) -> Result<Action> {
    let choice = Choice {
        runtime: args.runtime.as_deref(),
        handler: args.handler.as_deref(),
        runtimes: &client.runtimes().await?,
    };
    let inferred = infer::infer(package, &choice)?;
    let role = role(client, args).await?;
    let wanted = document::Wanted {
        runtime: Some(&inferred.runtime),
        handler: Some(&inferred.handler),
        role: Some(&role),
        attached,
        args,
    };
    let (runtime, handler) = (&inferred.runtime, &inferred.handler);
    eprintln!(
        "creating {name} at {}: {runtime}, {handler}",
        client.endpoint()
    );
    client
        .create_function(document::creation(name, &wanted), &package.zip)
        .await?;
    Ok(Action::Created)
}

async fn update(
    client: &Client,
    name: &str,
    existing: &Value,
    package: &Package,
    attached: &Attached,
    args: &Args,
) -> Result<Action> {
    let kept = existing["Handler"].as_str();
    let moved = args.handler.is_none()
        && args.runtime.is_none()
        && !kept.is_some_and(|handler| infer::has_handler(package, handler));
    let inferred = match moved {
        false => None,
        true => {
            let choice = Choice {
                runtime: existing["Runtime"].as_str(),
                handler: None,
                runtimes: &client.runtimes().await?,
            };
            Some(infer::infer(package, &choice)?)
        }
    };
    let wanted = document::Wanted {
        runtime: args.runtime.as_deref(),
        handler: inferred
            .as_ref()
            .map(|i| i.handler.as_str())
            .or(args.handler.as_deref()),
        role: args.role.as_deref(),
        attached,
        args,
    };
    let mut action = Action::Unchanged;
    wait::until_idle(client, name).await?;
    if let Some(changes) = document::configuration_changes(existing, &wanted) {
        eprintln!("changing the configuration of {name}");
        client.update_configuration(name, &changes).await?;
        wait::until_idle(client, name).await?;
        action = Action::Updated;
    }
    match document::code_changes(existing, &package.digest(), args) {
        None => eprintln!("the code of {name} is the same as before"),
        Some(changes) => {
            eprintln!("uploading the code of {name}");
            client.update_code(name, changes, &package.zip).await?;
            action = Action::Updated;
        }
    }
    Ok(action)
}

/// The name given, or the name of the directory or file.
fn function_name(args: &Args) -> Result<FunctionName> {
    if let Some(name) = &args.name {
        return name.parse().context("use another --name");
    }
    let path = std::path::absolute(args.path()).context("find the current directory")?;
    let path = std::fs::canonicalize(&path)
        .with_context(|| format!("there is nothing to deploy at {}", args.path().display()))?;
    let own = if path.is_dir() {
        path.file_name()
    } else {
        path.file_stem()
    };
    let own = own.and_then(|name| name.to_str()).unwrap_or_default();
    let parent = path
        .parent()
        .and_then(Path::file_name)
        .and_then(|name| name.to_str());
    let name = match parent {
        // `resize/lambda_function.py` is a function called resize.
        Some(parent) if !path.is_dir() && infer::is_usual_module(own) => parent,
        _ => own,
    };
    let name: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' {
                c
            } else {
                '-'
            }
        })
        .collect();
    match name.parse() {
        Ok(name) => Ok(name),
        Err(_) => bail!(
            "no name can be made of {}: give one with --name",
            args.path().display()
        ),
    }
}

fn summary(configuration: &Value, action: Action, reached: &Reached) -> Value {
    json!({
        "Action": match action {
            Action::Created => "created",
            Action::Updated => "updated",
            Action::Unchanged => "unchanged",
        },
        "FunctionName": configuration["FunctionName"],
        "FunctionArn": configuration["FunctionArn"],
        "Runtime": configuration["Runtime"],
        "Handler": configuration["Handler"],
        "CodeSha256": configuration["CodeSha256"],
        "FunctionUrl": reached.url,
        "ApiEndpoint": reached.api,
    })
}

fn table(configuration: &Value, reached: &Reached) -> String {
    let mut rows = Rows::pairs();
    rows.push(["Function".to_owned(), show(&configuration["FunctionArn"])]);
    rows.push(["Runtime".to_owned(), show(&configuration["Runtime"])]);
    rows.push(["Handler".to_owned(), show(&configuration["Handler"])]);
    if let Some(url) = &reached.url {
        rows.push(["URL", url]);
    }
    if let Some(api) = &reached.api {
        rows.push(["API", api]);
    }
    rows.render()
}

fn suggest(name: &str, path: &Path, is_per_tenant: bool, reached: &Reached) {
    let event = path.join("test.json");
    let event = match event.is_file() {
        true => format!("--event {}", event.display()),
        false => "--payload '{}'".to_owned(),
    };
    let tenant = if is_per_tenant { " --tenant ID" } else { "" };
    eprintln!("next: kiln invoke {name}{tenant} {event}");
    eprintln!("      kiln logs {name} -f");
    for address in reached.url.iter().chain(&reached.api) {
        eprintln!("      curl {address}");
    }
}

#[cfg(test)]
mod tests;
