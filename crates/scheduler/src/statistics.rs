//! How the scheduler's work stands.

use std::collections::BTreeMap;

use kiln_types::FunctionId;

pub use crate::core::state::Counts;

/// A snapshot.
#[derive(Debug, Clone, Default)]
pub struct Statistics {
    /// Every function that was asked for since the server started and was not deleted.
    pub functions: BTreeMap<FunctionId, FunctionStatistics>,
    /// What live instances were promised together.
    pub memory_promised_bytes: u64,
    /// What they may be promised together.
    pub memory_budget_bytes: u64,
}

/// One function, over all versions and revisions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FunctionStatistics {
    /// Instances that wait for work, the frozen ones included.
    pub idle: usize,
    /// Idle instances that are frozen.
    pub frozen: usize,
    /// Instances that run an invocation, or do their init under one.
    pub busy: usize,
    /// Instances in their init, granted to nobody yet.
    pub starting: usize,
    /// Instances told to end.
    pub stopping: usize,
    /// Requests without an instance.
    pub waiting: usize,
    /// What happened so far.
    pub counts: Counts,
}

impl Statistics {
    /// All functions together.
    pub fn total(&self) -> FunctionStatistics {
        let mut total = FunctionStatistics::default();
        for one in self.functions.values() {
            total.idle += one.idle;
            total.frozen += one.frozen;
            total.busy += one.busy;
            total.starting += one.starting;
            total.stopping += one.stopping;
            total.waiting += one.waiting;
            total.counts.granted += one.counts.granted;
            total.counts.waited += one.counts.waited;
            total.counts.started += one.counts.started;
            total.counts.ahead += one.counts.ahead;
            total.counts.ahead_used += one.counts.ahead_used;
            total.counts.spilled += one.counts.spilled;
            total.counts.evicted += one.counts.evicted;
            total.counts.expired += one.counts.expired;
            for (sum, refused) in total.counts.refused.iter_mut().zip(one.counts.refused) {
                *sum += refused;
            }
        }
        total
    }
}
