//! What came of a simulation.

use std::collections::BTreeMap;

use serde::Serialize;

use super::observed::{Calls, Observed};
use crate::keep_alive::PolicyName;
use crate::refusal::ThrottleReason;
use crate::statistics::Counts;

/// How a trace went under one policy.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Which policy.
    pub policy: &'static str,
    /// Invocations that ran.
    pub invocations: u64,
    /// Those that waited for an init.
    pub cold_starts: u64,
    /// Their share of the invocations.
    pub cold_rate: f64,
    /// The share of each function, over all functions that were called.
    pub cold_rate_by_function: Spread,
    /// Milliseconds of init that an invocation waited for, on average over all of them.
    pub cold_ms_mean: f64,
    /// Instances started.
    pub instances_started: u64,
    /// Those that were started ahead of need, ...
    pub started_ahead: u64,
    /// ... and then used.
    pub started_ahead_used: u64,
    /// Idle instances ended to make room.
    pub evicted: u64,
    /// Idle instances ended because nobody came.
    pub expired: u64,
    /// The most instances at a time.
    pub instances_max: u64,
    /// The most memory at a time, in MB.
    pub memory_max_mb: u64,
    /// Memory of instances that ran something, times time.
    pub busy_gb_seconds: f64,
    /// Memory of instances that ran nothing, times time.
    pub wasted_gb_seconds: f64,
    /// Requests that waited for something else than an init, and then ran.
    pub queued: u64,
    /// How long they waited, in milliseconds.
    pub queued_ms: Spread,
    /// Requests that were refused, by AWS's reason.
    pub throttled: BTreeMap<&'static str, u64>,
    /// Milliseconds charged, init included.
    pub billed_ms: u64,
    /// Memory times milliseconds charged.
    pub billed_mb_ms: u64,
    /// Decisions of the core.
    pub decisions: u64,
    /// For the picture: the share of cold starts of every function that was called, sorted.
    #[serde(skip)]
    pub(super) cold_rates: Vec<f64>,
    /// For the picture: memory over time, in GB, busy and idle.
    #[serde(skip)]
    pub(super) memory_gb: Vec<(f64, f64)>,
}

/// How values are spread.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Default)]
pub struct Spread {
    /// A quarter is not higher.
    pub p25: f64,
    /// Half is not higher.
    pub p50: f64,
    /// Three quarters are not higher.
    pub p75: f64,
    /// Nine tenths are not higher.
    pub p90: f64,
    /// 99 hundredths are not higher.
    pub p99: f64,
}

impl Report {
    pub(super) fn new(policy: PolicyName, observed: Observed, counts: Counts) -> Self {
        let sum = |of: fn(&Calls) -> u64| observed.functions.iter().map(of).sum::<u64>();
        let (invocations, cold_starts) = (sum(|calls| calls.granted), sum(|calls| calls.cold));
        let per_invocation = |value: f64| value / invocations.max(1) as f64;
        let called = observed.functions.iter().filter(|calls| calls.granted > 0);
        let mut cold_rates: Vec<f64> = called
            .map(|calls| calls.cold as f64 / calls.granted as f64)
            .collect();
        cold_rates.sort_by(f64::total_cmp);
        let mut queued: Vec<f64> = observed
            .waits_us
            .iter()
            .map(|us| *us as f64 / 1e3)
            .collect();
        queued.sort_by(f64::total_cmp);
        let mut throttled = BTreeMap::new();
        for reason in ThrottleReason::ALL {
            let count = observed.refused[reason.index()];
            if count > 0 {
                *throttled.entry(reason.aws_name()).or_default() += count;
            }
        }
        let (busy, idle) = (&observed.busy, &observed.idle);
        Self {
            policy: policy.as_str(),
            invocations,
            cold_starts,
            cold_rate: per_invocation(cold_starts as f64),
            cold_rate_by_function: Spread::of(&cold_rates),
            cold_ms_mean: per_invocation(observed.init_us as f64 / 1e3),
            instances_started: counts.started,
            started_ahead: counts.ahead,
            started_ahead_used: counts.ahead_used,
            evicted: counts.evicted,
            expired: counts.expired,
            instances_max: observed.instances_max,
            memory_max_mb: observed.memory_mb_max,
            busy_gb_seconds: busy.gb_seconds(),
            wasted_gb_seconds: idle.gb_seconds(),
            queued: queued.len() as u64,
            queued_ms: Spread::of(&queued),
            throttled,
            billed_ms: observed.billed_ms,
            billed_mb_ms: observed.billed_mb_ms,
            decisions: observed.decisions,
            cold_rates,
            memory_gb: observed.memory_gb(),
        }
    }

    /// Requests that were refused.
    pub fn throttles(&self) -> u64 {
        self.throttled.values().sum()
    }
}

impl Spread {
    /// Of values in order; zeros when there is none.
    fn of(sorted: &[f64]) -> Self {
        let at = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).max(1);
            sorted.get(rank - 1).copied().unwrap_or_default()
        };
        Self {
            p25: at(25),
            p50: at(50),
            p75: at(75),
            p90: at(90),
            p99: at(99),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_is_that_of_the_sorted_values() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        let spread = Spread::of(&values);
        assert_eq!((spread.p25, spread.p50, spread.p99), (50.0, 100.0, 198.0));
        assert_eq!(Spread::of(&[]), Spread::default());
        assert_eq!(Spread::of(&[7.0]).p25, 7.0);
    }
}
