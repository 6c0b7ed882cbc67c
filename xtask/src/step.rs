//! One step of a command: a program that must succeed, announced before and timed after.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a folder of the workspace")
}

/// The cargo that runs us, so that the toolchain stays the same.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// What cargo knows about the workspace, without its dependencies' dependencies.
pub(crate) fn metadata() -> anyhow::Result<serde_json::Value> {
    let output = cargo()
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .output()
        .context("run cargo metadata")?;
    if !output.status.success() {
        bail!(
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    serde_json::from_slice(&output.stdout).context("read cargo metadata")
}

/// Runs a program to its end; an unsuccessful one is an error that names the step.
pub(crate) fn run(name: &str, command: &mut Command) -> anyhow::Result<()> {
    timed(name, || {
        let status = command
            .status()
            .with_context(|| format!("start {command:?}"))?;
        if !status.success() {
            bail!("{name} failed ({status})");
        }
        Ok(())
    })
}

/// Announces a step on stderr, does it, and says how long it took.
#[expect(
    clippy::disallowed_methods,
    reason = "how long a person waited is real time"
)]
pub(crate) fn timed(name: &str, step: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    eprintln!("== {name}");
    let start = std::time::Instant::now();
    step()?;
    eprintln!("== {name}: ok, {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}
