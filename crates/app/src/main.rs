//! The `kiln` binary: the server, its doctor, and the command line that talks to a server.
//!
//! Start reading at [`serve`]: it wires everything in boot order.

mod aws;
mod doctor;
mod housekeeping;
mod listening;
mod machine;
mod packs;
mod ready_file;
mod recheck;
mod serve;
mod settings;
mod simulate;
mod status;
mod wasm;
mod wiring;

use std::process::ExitCode;

use clap::{Args, Command, FromArgMatches, Subcommand};

use crate::settings::Settings;

/// AWS Lambda functions on your own machines.
#[derive(Args)]
struct Kiln {
    #[command(flatten)]
    globals: kiln_cli::Globals,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run the server: the API, the function URLs and the functions.
    Serve(Settings),
    /// Run the server for development: on loopback only, any credentials are accepted.
    Dev(Settings),
    /// Say what this machine gives Kiln, with a remedy for what is missing.
    Doctor(doctor::Options),
    /// Say what each keep-alive policy would do with a trace of invocations.
    Simulate(simulate::Options),
    #[command(flatten)]
    Client(kiln_cli::Verb),
}

fn command() -> Command {
    let command = Command::new("kiln")
        .version(env!("CARGO_PKG_VERSION"))
        .about("AWS Lambda functions on your own machines")
        .subcommand_required(true)
        .arg_required_else_help(true);
    Kiln::augment_args(command)
}

fn main() -> ExitCode {
    // The spawner must stay small and single-threaded: nothing else may run before it.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == "__spawner")
    {
        return kiln_sandbox::spawner_main();
    }
    match run() {
        Ok(code) => code,
        Err(error) => kiln_cli::failed(&error),
    }
}

fn run() -> anyhow::Result<ExitCode> {
    let matches = settings::parse(command(), std::env::args_os().collect())?;
    let kiln = Kiln::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match kiln.verb {
        Verb::Serve(settings) => serve::run(settings, serve::Mode::Production),
        Verb::Dev(settings) => serve::run(settings, serve::Mode::Development),
        Verb::Doctor(options) => doctor::run(&options, &kiln.globals),
        Verb::Simulate(options) => simulate::run(&options, kiln.globals.output),
        Verb::Client(verb) => kiln_cli::run(verb, &kiln.globals, command),
    }
}
