//! Runs the scheduler's own core over a trace, in virtual time: for `kiln simulate`.
//!
//! [`read`] and [`Synthetic`] make a [`Trace`]; [`compare`] runs it once for each policy and gives a
//! [`Report`] each; [`picture`] draws them side by side. The core is the server's, unchanged; the
//! [`engine`] plays the host, with instances whose init and run times are those of the trace.

mod azure;
mod engine;
mod observed;
mod picture;
mod report;
mod rows;
mod synthetic;
#[cfg(test)]
mod tests;
mod trace;

use std::path::{Path, PathBuf};
use std::time::Duration;

use kiln_types::MemoryMb;
use kiln_types::limits::{MEMORY_MB_MAX, MEMORY_MB_MIN};

pub use picture::picture;
pub use report::{Report, Spread};
pub use synthetic::{Shape, Synthetic};
pub use trace::Trace;

use crate::config::Config;
use crate::keep_alive::PolicyName;

/// Why there is no trace.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is in no known format.
    #[error(
        "{0} is no trace: its first line must name the columns timestamp, function, duration and \
         memory, or those of invocations per minute in the Azure Functions data set"
    )]
    Unknown(PathBuf),
    /// A file of invocations whose other two files have no name that follows from its own.
    #[error(
        "{0} has only invocations; run times and memory are expected in files of the same name with \
         _run and _mem in the place of _inv, or as the Azure Functions data set names them"
    )]
    Alone(PathBuf),
    /// A line is not as it should be.
    #[error("{name}, line {line}: {what}")]
    Line {
        /// Of which file.
        name: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// Nothing happens in it.
    #[error("{0} has no invocations")]
    Empty(String),
    /// It does not fit into memory.
    #[error("{name} has more than {max} invocations; take a sample of its functions")]
    TooLong {
        /// Which.
        name: String,
        /// Allowed.
        max: usize,
    },
}

/// What a file leaves open.
#[derive(Debug, Clone, Copy)]
pub struct Assumed {
    /// How long an init takes.
    pub init: Duration,
    /// Decides where in its minute an invocation is, and how long it runs.
    pub seed: u64,
}

/// Reads a trace: lines of `timestamp,function,duration,memory`, or a day of the Azure Functions data
/// set of 2019, whose three files are found by the name of the one with the invocations.
///
/// # Errors
/// A file is missing or not as it should be.
pub fn read(path: &Path, assumed: Assumed) -> Result<Trace, Error> {
    let text = text_of(path)?;
    let head = text.lines().next().unwrap_or_default();
    let origin = Origin { path };
    if azure::is_invocations(head) {
        let [run, mem] = siblings(path).ok_or_else(|| Error::Alone(path.to_owned()))?;
        let (run_text, mem_text) = (text_of(&run)?, text_of(&mem)?);
        let day = azure::Day {
            invocations: (origin, &text),
            run_times: (Origin { path: &run }, &run_text),
            memory: (Origin { path: &mem }, &mem_text),
        };
        return azure::read(&day, assumed.init, assumed.seed);
    }
    let known = head
        .split(',')
        .any(|name| rows::COLUMNS.contains(&name.trim()));
    if !known {
        return Err(Error::Unknown(path.to_owned()));
    }
    rows::read(&origin, &text, assumed.init)
}

/// Runs a trace once for each policy, side by side on as many threads as the machine has cores.
/// The config's own policy does not matter.
pub fn compare(trace: &Trace, config: &Config, policies: &[PolicyName]) -> Vec<Report> {
    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    let mut reports = Vec::with_capacity(policies.len());
    for some in policies.chunks(at_once) {
        std::thread::scope(|scope| {
            let run = |policy: &PolicyName| {
                let config = Config {
                    policy: *policy,
                    ..config.clone()
                };
                scope.spawn(|| engine::run(trace, config))
            };
            let threads: Vec<_> = some.iter().map(run).collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            reports.extend(joined.map(|report| report.expect("the core does not panic")));
        });
    }
    reports
}

/// Which file a text is from.
#[derive(Debug, Clone, Copy)]
struct Origin<'a> {
    path: &'a Path,
}

impl<'a> Origin<'a> {
    #[cfg(test)]
    fn of(name: &'a str) -> Self {
        Self {
            path: Path::new(name),
        }
    }

    fn name(self) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        name.to_string_lossy().into_owned()
    }

    fn wrong(self, line: usize, what: &str) -> Error {
        Error::Line {
            name: self.name(),
            line,
            what: what.to_owned(),
        }
    }
}

fn text_of(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

/// The files with run times and memory beside one with invocations.
fn siblings(path: &Path) -> Option<[PathBuf; 2]> {
    let name = path.file_name()?.to_str()?;
    let renamed = |from: &str, to: [&str; 2]| {
        let is_named_so = name.contains(from);
        is_named_so.then(|| to.map(|to| path.with_file_name(name.replacen(from, to, 1))))
    };
    renamed("_inv", ["_run", "_mem"]).or_else(|| {
        let to = ["function_durations_percentiles", "app_memory_percentiles"];
        renamed("invocations_per_function_md", to)
    })
}

/// Memory that a function could have.
fn memory_of(mb: f64) -> MemoryMb {
    let mb = mb.ceil().clamp(MEMORY_MB_MIN.into(), MEMORY_MB_MAX.into());
    MemoryMb::new(mb as u64).expect("it was put within the limits")
}
