//! The command line: a client that knows only the public HTTP API.
//!
//! One file per verb. Results go to stdout as tables or JSON, everything else to stderr.
//! Every verb ends with status 0 when all is well, 1 when the function itself reported an error,
//! 2 for anything else. Start reading at [`target`] (which server, whose keys), then at any verb.

mod alias;
mod api;
mod apis;
mod archives;
mod audit;
mod buckets;
mod completions;
mod delete;
mod deploy;
mod describe;
mod duration;
mod events;
mod given;
mod globals;
mod iam;
mod invoke;
mod layer;
mod list;
mod logs;
mod output;
mod parameters;
mod provision;
mod publish;
mod queues;
mod redact;
#[cfg(test)]
mod reference;
mod samples;
mod schedules;
#[cfg(test)]
mod scripted;
mod secrets;
mod sign;
mod signing_profiles;
mod size;
mod status;
mod target;
mod tenant;
mod topics;
mod triggers;
mod usage;
mod vault;
mod versions;

use std::process::ExitCode;

use anyhow::Result;

pub use globals::{Format, Globals};
pub use output::{Rows, print, print_json};
pub use target::ready_file::{READY_FILE_NAME, default_data_dir};

use api::Client;

/// The status of a verb that failed for any reason but the function's own.
pub const STATUS_FAILED: u8 = 2;

/// What a client can ask of a server.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Create a function from a directory, a zip or a file, or update it
    Deploy(Box<deploy::Args>),
    /// Run a function and print what it returns
    Invoke(invoke::Args),
    /// Show what a function logged
    Logs(logs::Args),
    /// List the functions
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Show everything about one function
    Describe(describe::Args),
    /// Keep a function's present code and settings as a version
    Publish(publish::Args),
    /// List a function's versions and aliases
    Versions(versions::Args),
    /// Point an alias at a version
    Alias(alias::Args),
    /// Keep instances of a version ready, so that none of its invocations starts cold
    Provision(provision::Args),
    /// Delete a function
    #[command(visible_alias = "rm")]
    Delete(delete::Args),
    /// Publish, list and delete layers: packages that functions share
    Layer(layer::Args),
    /// Mask what nobody is to read in a function's logs
    Redact(redact::Args),
    /// List the HTTP APIs, or show the routes of one
    Apis(apis::Args),
    /// Show asynchronous events and those that were given up; try them again or forget them
    Events(events::Args),
    /// Have functions hear of what happens elsewhere: add, list, pause, resume and delete triggers
    Triggers(triggers::Args),
    /// Show message queues and how many messages they have; send to one or empty it
    Queues(queues::Args),
    /// Publish to many at once: list, create and delete topics, subscribe to them and publish
    Topics(topics::Args),
    /// Keep what is put on event buses and send it once more: archives and replays
    Archives(archives::Args),
    /// Show buckets and what is in them; make and remove them, put and get objects
    Buckets(buckets::Args),
    /// Keep what functions must know and nobody else may see: list, put, get and delete secrets
    Secrets(secrets::Args),
    /// Keep settings that functions read: list, put, get and delete parameters
    Parameters(parameters::Args),
    /// Show users and roles; list, make, replace and disable access keys
    Iam(iam::Args),
    /// Put a signature into a package of code, on this machine
    Sign(sign::Args),
    /// Say whose signatures of code are known: add, list and revoke public keys
    SigningProfiles(signing_profiles::Args),
    /// Show what was changed and refused, and whether the record of it is whole
    Audit(audit::Args),
    /// Make a master key; replace the keys under which everything is sealed
    Vault(vault::Args),
    /// Make, limit and erase accounts: for whoever looks after the server
    Tenant(tenant::Args),
    /// Run functions at times: create, list, pause, resume and delete schedules
    Schedules(schedules::Args),
    /// Show what functions used and what that cost
    Usage(usage::Args),
    /// Say how many instances a load needs
    Size(size::Args),
    /// Show how the server stands: instances, memory, and what was lost
    Status(status::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

/// Performs one verb. `command` makes the whole command line, for the completion script.
pub fn run(
    verb: Verb,
    globals: &Globals,
    command: impl FnOnce() -> clap::Command,
) -> Result<ExitCode> {
    if let Verb::Completions(args) = verb {
        return completions::run(&args, command());
    }
    if let Verb::Sign(args) = &verb {
        return sign::run(globals.output, args);
    }
    if let Verb::Size(args) = &verb
        && size::needs_no_server(args)
    {
        return size::run_alone(globals.output, args);
    }
    if let Verb::Vault(args) = &verb
        && vault::needs_no_server(args)
    {
        return vault::run_alone();
    }
    ask(verb, globals)
}

/// Performs a verb that asks a server. It is no part of [`run`], which is compiled with the program that names `command`: the
/// verbs are compiled here.
fn ask(verb: Verb, globals: &Globals) -> Result<ExitCode> {
    let target = target::find(globals, &|name| std::env::var(name).ok())?;
    let client = Client::new(target)?;
    // One thread is enough for one request at a time, and starts faster than several.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(perform(verb, &client, globals.output))
}

async fn perform(verb: Verb, client: &Client, format: Format) -> Result<ExitCode> {
    match verb {
        Verb::Deploy(args) => deploy::run(client, format, &args).await,
        Verb::Invoke(args) => invoke::run(client, format, &args).await,
        Verb::Logs(args) => logs::run(client, format, &args).await,
        Verb::List(args) => list::run(client, format, &args).await,
        Verb::Describe(args) => describe::run(client, format, &args).await,
        Verb::Publish(args) => publish::run(client, format, &args).await,
        Verb::Versions(args) => versions::run(client, format, &args).await,
        Verb::Alias(args) => alias::run(client, format, &args).await,
        Verb::Provision(args) => provision::run(client, format, &args).await,
        Verb::Delete(args) => delete::run(client, format, &args).await,
        Verb::Layer(args) => layer::run(client, format, &args).await,
        Verb::Apis(args) => apis::run(client, format, &args).await,
        Verb::Events(args) => events::run(client, format, &args).await,
        Verb::Redact(args) => redact::run(client, format, &args).await,
        Verb::Triggers(args) => triggers::run(client, format, &args).await,
        Verb::Queues(args) => queues::run(client, format, &args).await,
        Verb::Topics(args) => topics::run(client, format, &args).await,
        Verb::Archives(args) => archives::run(client, format, &args).await,
        Verb::Buckets(args) => buckets::run(client, format, &args).await,
        Verb::Secrets(args) => secrets::run(client, format, &args).await,
        Verb::Parameters(args) => parameters::run(client, format, &args).await,
        Verb::Iam(args) => iam::run(client, format, &args).await,
        Verb::Audit(args) => audit::run(client, format, &args).await,
        Verb::Vault(args) => vault::run(client, format, &args).await,
        Verb::Tenant(args) => tenant::run(client, format, &args).await,
        Verb::SigningProfiles(args) => signing_profiles::run(client, format, &args).await,
        Verb::Schedules(args) => schedules::run(client, format, &args).await,
        Verb::Usage(args) => usage::run(client, format, &args).await,
        Verb::Size(args) => size::run(client, format, &args).await,
        Verb::Status(args) => status::run(client, format, &args).await,
        Verb::Completions(_) | Verb::Sign(_) => {
            unreachable!("answered before, without a server")
        }
    }
}

/// Tells the user what went wrong and gives the status to end with.
pub fn failed(error: &anyhow::Error) -> ExitCode {
    if output::is_broken_pipe(error) {
        // The reader of our output went away (`kiln list | head -1`): not a failure.
        return ExitCode::SUCCESS;
    }
    eprintln!("error: {error:#}");
    ExitCode::from(STATUS_FAILED)
}
