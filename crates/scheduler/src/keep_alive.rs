//! How long idle instances are kept, which of them end first when memory is short, and when one is
//! started ahead of need.
//!
//! A [`Policy`] is asked by the core and knows nothing else: no clock, no I/O, no instances. What it
//! remembers of a function is the function's [`Habit`], which the core keeps and which has a size
//! that does not grow with time. `kiln simulate` runs every policy over the same trace; the default
//! is the one that does best there (docs/guide/keep-alive.md).

mod adaptive;
mod fixed;
mod gaps;
mod greedy_dual;
mod habit;
mod histogram;

use std::time::Duration;

use kiln_types::Moment;

pub use habit::Habit;

use crate::config::Config;

/// How long an instance is kept while nothing is known, unless configured.
const KEEP_UNKNOWN: Duration = Duration::from_secs(600);
/// How long an instance is kept at most while there is room, unless configured.
const KEEP_MAX: Duration = Duration::from_secs(4 * 3600);

/// Which policy a scheduler follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum PolicyName {
    /// Every idle instance is kept for the same time; the least recently used end first.
    Fixed,
    /// Idle instances are kept until memory is short; those end first that are called rarely, are
    /// large and start fast (greedy dual size frequency).
    GreedyDual,
    /// An idle instance is kept for as long as the function's own pauses say, and one is started
    /// ahead of the next request; the least recently used end first (hybrid histogram).
    Histogram,
    /// Kept until memory is short or the next request is foretold to be far, and then started ahead
    /// of it; those end first of which the function has seldom needed so many, that are large and
    /// start fast.
    #[default]
    Adaptive,
}

/// Decides about idle instances.
pub trait Policy: Send {
    /// Takes note of a request that brings its function to `level` requests in flight.
    fn requested(&self, habit: &mut Habit, level: u32, now: Moment);

    /// Takes note that a request has ended, which left `level` in flight.
    fn finished(&self, habit: &mut Habit, level: u32, now: Moment);

    /// What becomes of an instance that is idle from now on.
    fn window(&self, habit: &Habit) -> Window;

    /// The order in which idle instances end when memory is short: the lowest first.
    fn rank(&self, habit: &Habit, idle: Idle) -> u64;
}

/// How long an idle instance is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From the end of its invocation on.
    pub keep: Duration,
    /// If it is not kept until the next request: when another is started ahead of that.
    pub ahead: Option<Ahead>,
}

/// When an instance is started ahead of need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ahead {
    /// From the end of the last invocation on.
    pub after: Duration,
    /// How long it is kept from then on, if nobody comes.
    pub keep: Duration,
}

/// An idle instance whose rank is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Idle {
    /// What it was promised, in MiB.
    pub memory_mb: u64,
    /// How many instances its function has: it is the one that is used last.
    pub level: u32,
    /// How many instances became idle before it.
    pub turn: u64,
    /// The highest rank of an instance that was ended for memory before this one became idle.
    pub inflation: u64,
}

impl PolicyName {
    /// Every policy, in the order in which they are compared.
    pub const ALL: [PolicyName; 4] = [
        PolicyName::Fixed,
        PolicyName::GreedyDual,
        PolicyName::Histogram,
        PolicyName::Adaptive,
    ];

    /// The name in settings and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            PolicyName::Fixed => "fixed",
            PolicyName::GreedyDual => "greedy-dual",
            PolicyName::Histogram => "histogram",
            PolicyName::Adaptive => "adaptive",
        }
    }

    /// The policy as a scheduler with these settings follows it.
    pub(crate) fn policy(self, config: &Config) -> Box<dyn Policy> {
        let unknown = config.keep_alive.unwrap_or(KEEP_UNKNOWN);
        let keep_max = config.keep_alive.unwrap_or(KEEP_MAX);
        let histogram = histogram::Histogram { unknown };
        match self {
            PolicyName::Fixed => Box::new(fixed::Fixed { keep: unknown }),
            PolicyName::GreedyDual => Box::new(greedy_dual::GreedyDual { keep_max }),
            PolicyName::Histogram => Box::new(histogram),
            PolicyName::Adaptive => Box::new(adaptive::Adaptive {
                histogram,
                keep_max,
            }),
        }
    }
}
