//! `cargo xtask check` and `cargo xtask test`: what a commit must pass.

use std::process::Command;

use crate::step::{self, cargo};
use crate::tidy;

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Leave out the black-box tests, which start real servers
    #[arg(long)]
    quick: bool,
}

/// Arguments of `test`.
#[derive(Debug, clap::Args)]
pub(crate) struct TestArguments {
    /// Passed on to the test runner, for example `-p kiln-store` or a name's part
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Everything, in the order in which mistakes are cheapest to find.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    step::run("fmt", cargo().args(["fmt", "--all", "--check"]))?;
    tidy::run()?;
    let lints = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ];
    step::run("clippy", cargo().args(lints))?;
    let left_out = if arguments.quick {
        vec!["--lib".to_owned(), "--bins".to_owned()]
    } else {
        vec![]
    };
    test(&TestArguments { rest: left_out })
}

/// All tests: with cargo-nextest where it is installed (a process per test), else with cargo.
pub(crate) fn test(arguments: &TestArguments) -> anyhow::Result<()> {
    let mut command = cargo();
    if has_nextest() {
        command.args(["nextest", "run", "--no-fail-fast"]);
    } else {
        command.arg("test");
    }
    let names_package = arguments
        .rest
        .iter()
        .any(|word| word == "-p" || word.starts_with("--package"));
    if !names_package {
        command.arg("--workspace");
    }
    step::run("tests", command.args(&arguments.rest))
}

fn has_nextest() -> bool {
    Command::new("cargo-nextest")
        .args(["nextest", "--version"])
        .output()
        .is_ok_and(|output| output.status.success())
}
