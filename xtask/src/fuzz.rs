//! `cargo xtask fuzz [TARGET] [SECONDS]`: builds the targets of `fuzz/` with libFuzzer, and feeds one of them or all.
//!
//! Only the workspace's own crates are instrumented, by `fuzz/instrument`: those of others stay as any build has them, so that
//! this one takes minutes and works with the stable compiler. What a run learns stays in the target folder, below `fuzz/`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::step::{self, cargo};

/// Seconds of the clock until it is looked how much of them the fuzzer had a processor.
const TURN_SECS_MAX: u32 = 120;
/// In which Linux counts for programs, on every machine (USER_HZ).
const TICKS_PER_SEC: f64 = 100.0;
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
    /// For how many seconds of processor time each is fed
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

/// What a target was fed.
#[derive(Default)]
struct Fed {
    inputs: u64,
    edges: u64,
    processor_secs: f64,
}

/// Feeds a target, and says in one line of the page's table how that went.
///
/// In turns, each of which goes on from what the one before has learned: how much of a processor a turn gets is known at its end.
fn feed(folder: &Path, target: &str, seconds: u32) -> anyhow::Result<()> {
    if !step::root().join("fuzz/corpus").join(target).is_dir() {
        bail!("there is no such target; fuzz/corpus has a folder for each");
    }
    let learned = folder.join("fuzz").join(target);
    fs::create_dir_all(&learned).with_context(|| format!("make {}", learned.display()))?;
    let wanted = f64::from(seconds);
    let mut fed = Fed::default();
    while fed.processor_secs < wanted {
        let left = (wanted - fed.processor_secs).ceil() as u32;
        turn(folder, target, left.clamp(1, TURN_SECS_MAX), &mut fed)?;
    }
    let Fed {
        inputs,
        edges,
        processor_secs,
    } = fed;
    println!("| `{target}` | {inputs} | {processor_secs:.0} | {edges} | none |");
    Ok(())
}

fn turn(folder: &Path, target: &str, seconds: u32, fed: &mut Fed) -> anyhow::Result<()> {
    let learned = folder.join("fuzz").join(target);
    let log = learned.with_extension("log");
    let before = processor_secs_of_children()?;
    let status = Command::new(folder.join("debug/kiln-fuzz"))
        .env("KILN_FUZZ_TARGET", target)
        .arg(&learned)
        .arg(step::root().join("fuzz/corpus").join(target))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={INPUT_SECS_MAX}"))
        .arg(format!("-rss_limit_mb={MEMORY_MB_MAX}"))
        .arg(format!("-max_len={INPUT_BYTES_MAX}"))
        .arg(format!("-artifact_prefix={}-", learned.display()))
        .stderr(File::create(&log).with_context(|| format!("make {}", log.display()))?)
        .status()
        .context("start the fuzzer")?;
    let said = fs::read(&log).context("read what the fuzzer said")?;
    let said = String::from_utf8_lossy(&said);
    if !status.success() {
        let lines: Vec<&str> = said.lines().rev().take(40).collect();
        for line in lines.iter().rev() {
            eprintln!("    {line}");
        }
        bail!("a finding; the log is {}", log.display());
    }
    fed.processor_secs += processor_secs_of_children()? - before;
    fed.inputs += number_after(&said, "Done ").context("the fuzzer does not say how many")?;
    // Each turn reads all that was learned, so its number is the whole one.
    fed.edges = number_after(&said, " cov: ").unwrap_or(fed.edges);
    Ok(())
}

/// The number behind the last occurrence of a word.
fn number_after(said: &str, word: &str) -> Option<u64> {
    let (_, rest) = said.rsplit_once(word)?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Processor time of all children that have ended: the 16th and 17th field of proc_pid_stat(5), in ticks.
fn processor_secs_of_children() -> anyhow::Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat").context("read the processor time")?;
    // Fields from the third on: the second, a name in brackets, may contain anything.
    let (_, fields) = stat.rsplit_once(") ").context("/proc/self/stat")?;
    let ticks = fields.split(' ').skip(13).take(2).map(str::parse::<u64>);
    let ticks: u64 = ticks.sum::<Result<u64, _>>().context("/proc/self/stat")?;
    Ok(ticks as f64 / TICKS_PER_SEC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_fuzzer_says_is_read_from_its_end() {
        let said = "#2 INITED cov: 7 ft: 8\n#9 NEW    cov: 12 ft: 20 corp: 3/9b\nDone 345 runs in 21 second(s)\n";
        assert_eq!(number_after(said, "Done "), Some(345));
        assert_eq!(number_after(said, " cov: "), Some(12));
        assert_eq!(number_after("nothing", "Done "), None);
    }

    #[test]
    fn processor_time_of_a_child_is_counted_once_it_has_ended() {
        let before = processor_secs_of_children().unwrap();
        let burnt = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        assert!(
            Command::new("sh")
                .args(["-c", burnt])
                .status()
                .unwrap()
                .success()
        );
        assert!(processor_secs_of_children().unwrap() > before);
    }
}
