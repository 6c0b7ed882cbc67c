//! `cargo xtask fuzz [TARGET] [SECONDS]`: builds the targets of `fuzz/` with libFuzzer, and feeds one of them or all.
//!
//! Only the workspace's own crates are instrumented, by `fuzz/instrument`: those of others stay as any build has them, so that
//! this one takes minutes and works with the stable compiler. What a run learns stays in the target folder, below `fuzz/`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::step::{self, cargo};

/// Seconds that one input may take.
const INPUT_SECS_MAX: u32 = 10;
/// What a target may take.
const MEMORY_MB_MAX: u32 = 1_024;
/// Bytes of an input.
const INPUT_BYTES_MAX: u32 = 4 * 1024;

/// Arguments of `fuzz`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The target, a folder of fuzz/corpus; `all` for each in turn
    #[arg(default_value = "all")]
    target: String,
    /// How long each is fed
    #[arg(default_value_t = 60)]
    seconds: u32,
}

/// Builds and feeds.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let targets = match arguments.target.as_str() {
        "all" => corpora()?,
        one => vec![one.to_owned()],
    };
    let build = [
        "build",
        "--quiet",
        "--workspace",
        "--bin",
        "kiln-fuzz",
        "--features",
        "kiln-fuzz/engine",
    ];
    let mut build_step = cargo();
    build_step
        .args(build)
        .env(
            "RUSTC_WORKSPACE_WRAPPER",
            step::root().join("fuzz/instrument"),
        )
        // Ten times as many inputs a second; overflows still panic.
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1");
    step::run("build", &mut build_step)?;
    let folder = folder()?;
    let failed: Vec<&str> = targets
        .iter()
        .filter(|target| match feed(&folder, target, arguments.seconds) {
            Ok(()) => false,
            Err(error) => {
                eprintln!("{target}: {error:#}");
                true
            }
        })
        .map(String::as_str)
        .collect();
    match failed.is_empty() {
        true => Ok(()),
        false => bail!("findings in {}", failed.join(", ")),
    }
}

fn corpora() -> anyhow::Result<Vec<String>> {
    let listed = fs::read_dir(step::root().join("fuzz/corpus")).context("list fuzz/corpus")?;
    let mut names = Vec::new();
    for entry in listed {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// The folder that cargo builds into.
fn folder() -> anyhow::Result<PathBuf> {
    let metadata = step::metadata()?;
    let target = metadata["target_directory"].as_str();
    Ok(target.context("cargo metadata: target folder")?.into())
}

/// Feeds a target, and says in one line how that went.
fn feed(folder: &Path, target: &str, seconds: u32) -> anyhow::Result<()> {
    let committed = step::root().join("fuzz/corpus").join(target);
    if !committed.is_dir() {
        bail!("there is no such target; fuzz/corpus has a folder for each");
    }
    let learned = folder.join("fuzz").join(target);
    fs::create_dir_all(&learned).with_context(|| format!("make {}", learned.display()))?;
    let log = learned.with_extension("log");
    let mut fuzzer = Command::new(folder.join("debug/kiln-fuzz"));
    fuzzer
        .env("KILN_FUZZ_TARGET", target)
        .arg(&learned)
        .arg(&committed)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={INPUT_SECS_MAX}"))
        .arg(format!("-rss_limit_mb={MEMORY_MB_MAX}"))
        .arg(format!("-max_len={INPUT_BYTES_MAX}"))
        .arg(format!("-artifact_prefix={}-", learned.display()))
        .stderr(File::create(&log).with_context(|| format!("make {}", log.display()))?);
    let status = fuzzer.status().context("start the fuzzer")?;
    let said = fs::read(&log).context("read what the fuzzer said")?;
    let said = String::from_utf8_lossy(&said);
    if !status.success() {
        let lines: Vec<&str> = said.lines().rev().take(40).collect();
        for line in lines.iter().rev() {
            eprintln!("    {line}");
        }
        bail!("a finding; the log is {}", log.display());
    }
    let done = said.lines().rfind(|line| line.starts_with("Done "));
    eprintln!("{target}: {}", done.unwrap_or("done"));
    Ok(())
}
