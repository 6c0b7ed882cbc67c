//! `cargo xtask`: every command of a developer or of CI. One module per subcommand.
//!
//! `check` is what a commit must pass, `test` runs the tests alone, `tidy` keeps the picture in
//! ARCHITECTURE.md true, `bench` measures the promises, `generate` writes AWS's types.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod check;
mod fuzz;
mod generate;
mod step;
mod tidy;
mod torture;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Every command of a developer or of CI")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Formatting, tidy, lints and tests, in this order; stops at the first that fails.
    Check(check::Arguments),
    /// All tests, one process each (cargo-nextest where it is installed).
    Test(check::TestArguments),
    /// What no compiler sees: crate edges, file lengths, headers, words, documents.
    Tidy,
    /// The promises of the design, measured beside their floors.
    Bench(bench::Arguments),
    /// Feeds parsers of outside bytes with what new coverage leads to, and stops at the first that fails.
    Fuzz(fuzz::Arguments),
    /// Kills a server again and again under load, and proves that nothing it accepted was lost.
    Torture(torture::Arguments),
    /// Writes the request and response types of AWS's services from botocore's models.
    Generate(generate::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Test(arguments) => check::test(&arguments),
        Command::Tidy => tidy::run(),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Torture(arguments) => torture::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
