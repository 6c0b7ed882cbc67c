//! What copying a process may cost the daemon. The function decides what its memory looks like, so
//! everything that depends on that has an end.

use std::io;
use std::time::Duration;

use kiln_types::{Clock, Moment, SystemClock};

/// Mappings that a process may have. One that was initialised with boto3 has about 500; each costs the
/// daemon a line to read and every copy a system call.
pub(super) const MAPPINGS_MAX: usize = 16 * 1024;
/// Bytes of `maps` that are read: as many lines of usual length, and some with long paths.
pub(super) const MAPS_BYTES_MAX: u64 = 4 << 20;
/// Ranges of written pages that may be found in all. The daemon remembers 16 bytes of each.
const RUNS_MAX: usize = 256 * 1024;
/// How long looking for written pages may take: milliseconds for usual functions. It is walking
/// page tables, which a function can have gigabytes of.
const LOOKING_MAX: Duration = Duration::from_secs(5);
/// How long copying what was found may take, on the slowest of disks.
const COPYING_MAX: Duration = Duration::from_secs(120);

/// Why there is no snapshot.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The process has something that cannot be copied.
    Unfit(String),
    Io(io::Error),
}

/// What is left of what one snapshot may cost.
#[derive(Debug)]
pub(super) struct Effort {
    clock: SystemClock,
    /// What is being done, and until when.
    doing: &'static str,
    deadline: Moment,
    runs_left: usize,
}

impl Refusal {
    pub fn unfit(why: impl Into<String>) -> Self {
        Self::Unfit(why.into())
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Effort {
    /// For a snapshot that is begun now.
    pub fn new() -> Self {
        Self::with(RUNS_MAX, LOOKING_MAX)
    }

    pub fn with(runs: usize, time: Duration) -> Self {
        let clock = SystemClock::start();
        let deadline = clock.now() + time;
        Self {
            clock,
            doing: "looking through",
            deadline,
            runs_left: runs,
        }
    }

    /// Looking is over and copying begins.
    pub fn begin_copying(&mut self) {
        self.doing = "copying";
        self.deadline = self.clock.now() + COPYING_MAX;
    }

    /// Whether there is time to go on.
    ///
    /// # Errors
    /// The process is unfit: it costs too much.
    pub fn go_on(&self) -> Result<(), Refusal> {
        match self.clock.now() < self.deadline {
            true => Ok(()),
            false => Err(Refusal::Unfit(format!(
                "{} its memory takes too long",
                self.doing
            ))),
        }
    }

    /// Adds a range of pages to those before it, which all lie below.
    pub fn add(&mut self, runs: &mut Vec<(u64, u64)>, run: (u64, u64)) -> Result<(), Refusal> {
        if let Some((_, end)) = runs.last_mut()
            && *end == run.0
        {
            *end = run.1;
            return Ok(());
        }
        let left = self.runs_left.checked_sub(1);
        self.runs_left = left.ok_or_else(|| Refusal::unfit("its memory is in too many pieces"))?;
        runs.push(run);
        Ok(())
    }
}
