//! Who called what, when, and for how long.

use std::time::Duration;

use kiln_types::MemoryMb;

use super::Error;

/// Invocations of one trace; each takes 16 bytes.
pub(super) const ARRIVALS_MAX: usize = 20_000_000;

/// Invocations in the order in which they arrive.
#[derive(Debug, Clone)]
pub struct Trace {
    /// What it was read or made from.
    pub name: String,
    pub(super) functions: Vec<TraceFunction>,
    pub(super) arrivals: Vec<Arrival>,
    /// From the first moment to the last that the trace tells of.
    pub(super) span: Duration,
}

/// A function of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TraceFunction {
    /// What it is promised.
    pub(super) memory: MemoryMb,
    /// How long its init takes.
    pub(super) init: Duration,
}

/// An invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arrival {
    /// Since the trace's start.
    pub(super) at_us: u64,
    /// Its place among the functions.
    pub(super) function: u32,
    /// How long it runs.
    pub(super) run_us: u32,
}

impl Trace {
    /// Puts the arrivals in order.
    ///
    /// # Errors
    /// There is none, or there are too many.
    pub(super) fn new(
        name: String,
        functions: Vec<TraceFunction>,
        mut arrivals: Vec<Arrival>,
        span: Duration,
    ) -> Result<Self, Error> {
        if arrivals.is_empty() {
            return Err(Error::Empty(name));
        }
        if arrivals.len() > ARRIVALS_MAX {
            return Err(Error::TooLong {
                name,
                max: ARRIVALS_MAX,
            });
        }
        arrivals.sort_unstable();
        let last = arrivals.last().map_or(0, |arrival| arrival.at_us);
        Ok(Self {
            name,
            functions,
            arrivals,
            span: span.max(Duration::from_micros(last)),
        })
    }

    /// Functions, called or not.
    pub fn functions(&self) -> usize {
        self.functions.len()
    }

    /// Invocations.
    pub fn invocations(&self) -> usize {
        self.arrivals.len()
    }

    /// How long it is.
    pub fn span(&self) -> Duration {
        self.span
    }

    /// How many invocations run at a time on average, if none waits: the load in erlangs.
    pub fn load(&self) -> f64 {
        let run: u64 = self.arrivals.iter().map(|one| u64::from(one.run_us)).sum();
        run as f64 / 1e6 / self.span.as_secs_f64().max(1e-6)
    }
}
