//! `cargo xtask torture [SEED] [MINUTES]`: builds the release binary and the torture, then runs it.

use crate::bench::release_folder;
use crate::step::{self, cargo};

/// Arguments of `torture`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What the moments of the kills are drawn from
    #[arg(default_value_t = 1)]
    seed: u64,
    /// How long there is load
    #[arg(default_value_t = 10)]
    minutes: u64,
    /// How many kills at least
    #[arg(long, default_value_t = 50)]
    kills: u32,
}

/// Builds and runs.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let packages = ["kiln-app", "kiln-wasm", "kiln-torture"];
    let packages = packages.iter().flat_map(|name| ["-p", *name]);
    let build = ["build", "--release", "--quiet", "--bins"];
    step::run("build", cargo().args(build).args(packages))?;
    let bin = release_folder()?;
    let mut torture = std::process::Command::new(bin.join("kiln-torture"));
    torture
        .current_dir(step::root())
        .env("KILN_BIN", bin.join("kiln"))
        .args([arguments.seed.to_string(), arguments.minutes.to_string()])
        .args(["--kills", &arguments.kills.to_string()]);
    step::run("torture", &mut torture)
}
