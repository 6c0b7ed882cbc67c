//! `cargo xtask bench`: builds the release binary and the bench, then runs the bench.
//!
//! The measuring itself is the package in `benches/`: it needs an HTTP client and a server, which
//! would make every other command of this program slow to build.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::step::{self, cargo};

/// Arguments of `bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// One line a measure on stdout, under 45 seconds; without it `benches/REPORT.md` is written
    #[arg(long)]
    quick: bool,
    /// Only measures whose name contains this
    #[arg(long)]
    only: Option<String>,
}

/// Builds and runs.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let build = [
        "build",
        "--release",
        "--quiet",
        "-p",
        "kiln-app",
        "-p",
        "kiln-wasm",
        "-p",
        "kiln-bench",
        "--bins",
        "--example",
        "rust_function",
        "--example",
        "rust_concurrent",
        "-p",
        "kiln-store",
        "--example",
        "measure",
    ];
    step::run("build", cargo().args(build))?;
    let bin = release_folder()?;
    let mut bench = std::process::Command::new(bin.join("kiln-bench"));
    bench
        .current_dir(step::root())
        .env("KILN_BIN", bin.join("kiln"));
    if arguments.quick {
        bench.arg("--quick");
    }
    if let Some(only) = &arguments.only {
        bench.args(["--only", only]);
    }
    step::run("bench", &mut bench)
}

pub(crate) fn release_folder() -> anyhow::Result<PathBuf> {
    let metadata = step::metadata()?;
    let target = metadata["target_directory"]
        .as_str()
        .context("cargo metadata: target folder")?;
    Ok(PathBuf::from(target).join("release"))
}
