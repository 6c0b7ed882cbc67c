//! What becomes of a source's records: which of them go to the function together, what its answer means, and up
//! to where the source may move on. Pure: no clocks, no waits, no source.
//!
//! Records run through lanes, one unless more batches may be in flight. A lane does one thing at a time:
//!
//! ```text
//!            enough records, or waited enough
//!   Idle ─────────────────────────────────────► Running ──ended──► Idle
//!    ▲                                            │  │
//!    │   not run, or failed and may try again     │  │ failed for the last time, or too old
//!    └────────────────── Resting ◄────────────────┘  └──► Keeping ──kept──► Idle
//! ```
//!
//! Invariants, which the property tests assert:
//! - a source moves past a record only once the function has taken it or a destination has it;
//! - records about the same thing reach the function in their order, and a failing one holds up only
//!   those behind it in its lane;
//! - what could not be run uses up no retry, and a split none either;
//! - a batch holds as many records and bytes as it may, at most.
//!
//! Start reading at [`Core::on`].

use std::time::Duration;

use bytes::Bytes;
use kiln_types::{MappingSettings, Moment, Timestamp, Version};

use crate::record::{Position, Record};

mod back_off;
mod core;
mod lane;
mod progress;
mod verdict;
mod window;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub(crate) use self::back_off::{after_refusal, fraction};
pub(crate) use self::core::Core;
pub(crate) use self::verdict::failed;
pub(crate) use self::window::Part;

/// How records become batches, and what holds of those that fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Records of a batch, at most.
    pub(crate) batch_size: usize,
    /// How long the first of them waits for others.
    pub(crate) window: Duration,
    /// Batches in flight, at most.
    pub(crate) lanes: usize,
    /// How often a batch is tried again after the function failed on it; none: always.
    pub(crate) retries: Option<u32>,
    /// How old a record may become.
    pub(crate) age_max: Option<Duration>,
    /// Whether a batch on which the function failed is split.
    pub(crate) bisects: bool,
    /// Whether the function says on which records it failed.
    pub(crate) reports_failures: bool,
    /// The length of windows with a state.
    pub(crate) tumbling: Option<Duration>,
}

/// The time, twice: one that never goes back for waits, and one that ages are told by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) moment: Moment,
    pub(crate) calendar: Timestamp,
}

/// Names an attempt at a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct BatchId(pub(crate) u64);

/// What happens. Nothing begins with a record or a mark: tell of all that came, then tick.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// The source has a record.
    Came(Record),
    /// Once all before it is done, the source may move here.
    Mark(Position),
    /// An invocation ended.
    Answered {
        /// Of which batch.
        batch: BatchId,
        /// How.
        answer: Answer,
    },
    /// What was given up has been kept.
    Kept {
        /// Which batch.
        batch: BatchId,
    },
    /// It could not be kept.
    NotKept {
        /// Which batch.
        batch: BatchId,
    },
    /// Time has passed.
    Tick,
    /// Nothing more may begin.
    Stop,
}

/// How an invocation ended.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// The handler returned this.
    Returned(Bytes, Ran),
    /// The function failed.
    Failed(Ran),
    /// It did not run.
    Refused,
    /// It did not run, and never will with this event.
    TooLarge,
    /// Nobody knows, as the server ends: it says nothing.
    Abandoned,
}

/// What ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ran {
    /// The version.
    pub(crate) version: Version,
    /// The class of its error, if it failed.
    pub(crate) error: Option<&'static str>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Run the function on these.
    Invoke(Attempt),
    /// Tell the destination of what is given up.
    Keep(GivenUp),
    /// Have the source move on.
    Confirm(Position),
    /// Say how it went last.
    Report(Report),
}

/// A batch on its way to the function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// Names it in the answer.
    pub(crate) batch: BatchId,
    /// What it holds, in order.
    pub(crate) records: Vec<Record>,
    /// The window that it is part of.
    pub(crate) part: Option<Part>,
}

/// A batch that is given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GivenUp {
    /// Names it in the answer.
    pub(crate) batch: BatchId,
    /// Why.
    pub(crate) condition: Condition,
    /// What it holds.
    pub(crate) records: Vec<Record>,
    /// The window that it is part of.
    pub(crate) part: Option<Part>,
    /// How often the function ran on it.
    pub(crate) invokes: u32,
    /// How it went last, if it ran.
    pub(crate) ran: Option<Ran>,
}

/// Why a batch is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Condition {
    /// The function failed on it as often as it may.
    RetryAttemptsExhausted,
    /// Its records became older than they may.
    RecordAgeExceeded,
    /// It is larger than an event may be.
    PayloadTooLarge,
}

/// How it went last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Report {
    /// The function took a batch.
    Succeeded,
    /// The function failed on one.
    Failed,
}

impl Condition {
    /// AWS's name for it, where it has one.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Condition::RetryAttemptsExhausted => "RetryAttemptsExhausted",
            Condition::RecordAgeExceeded => "RecordAgeExceeded",
            Condition::PayloadTooLarge => "PayloadTooLarge",
        }
    }
}

impl From<&MappingSettings> for Settings {
    fn from(settings: &MappingSettings) -> Self {
        Self {
            batch_size: settings.batch_size.max(1) as usize,
            window: settings.window(),
            lanes: settings.parallel.max(1) as usize,
            retries: settings.retries,
            age_max: settings.age_max(),
            bisects: settings.bisects,
            reports_failures: settings.reports_failures,
            tumbling: settings.tumbling(),
        }
    }
}
