//! `cargo xtask torture [SEED] [MINUTES]`: builds the release binary and the torture, then runs it.

use crate::bench::release_folder;
use crate::step::{self, cargo};

/// Arguments of `torture`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What `kiln-torture` is told: the seed, the minutes of load, `--kills` and how many at least
    #[arg(value_name = "SEED MINUTES", allow_hyphen_values = true)]
    torture: Vec<String>,
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
        .args(&arguments.torture);
    step::run("torture", &mut torture)
}
