//! What the scheduler is told at start. Defaults are AWS's where AWS has a value.

use std::time::Duration;

use kiln_types::limits;

use crate::keep_alive::PolicyName;

/// Limits and times of one server's scheduler.
#[derive(Debug, Clone)]
pub struct Config {
    /// The memory that live instances may have been promised together, in bytes. A request that
    /// does not fit waits [`Config::wait_max`] at most and is then refused. Functions rarely
    /// use what they were promised: a server may set more than the machine has, and report
    /// pressure when it really runs short.
    pub memory_budget_bytes: u64,
    /// Instances alive at the same time; a request beyond waits as one that lacks memory does.
    pub instances_max: usize,
    /// Invocations in flight per account unless set for the account. AWS: 1,000.
    pub account_concurrency: u32,
    /// Instances one function may start at once. AWS: 1,000 per 10 s. What finds the burst used
    /// waits [`Config::wait_max`] at most and is then refused.
    pub burst_starts: u32,
    /// Starts regained per second once the burst is used. AWS: 100.
    pub starts_per_second: u32,
    /// How long an instance stays idle before it is frozen. Thawing costs about 20 µs: a function
    /// called more often than this never pays for it.
    pub freeze_after: Duration,
    /// How long idle instances are kept, which end first when memory is short, and whether
    /// instances are started ahead of need.
    pub policy: PolicyName,
    /// How long an instance stays idle before it is stopped: always by [`PolicyName::Fixed`], while
    /// nothing is known of its function by [`PolicyName::Histogram`], 10 minutes unless set; at most
    /// by the others, 4 hours unless set.
    pub keep_alive: Option<Duration>,
    /// How long a request waits for memory, or for the right to start an instance, before it is
    /// refused. Instances end in well under a second, so what does not become free in this time is
    /// in use.
    pub wait_max: Duration,
    /// A request that has waited this long for memory takes the place of the next instance that
    /// another function gives back, even if that function could use it again at once. Without it
    /// a busy function would keep all others out for as long as it is busy.
    pub yield_after: Duration,
    /// From this init time on, a request waits for whichever is first, its own new instance or one
    /// that comes back; below it a request goes into the new instance together with its init,
    /// which saves a round trip. None binds always at once.
    pub late_binding_from: Option<Duration>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            memory_budget_bytes: 4 << 30,
            instances_max: 10_000,
            account_concurrency: limits::ACCOUNT_CONCURRENCY,
            burst_starts: limits::SCALING_BURST,
            starts_per_second: limits::SCALING_PER_SECOND,
            freeze_after: Duration::from_millis(250),
            policy: PolicyName::default(),
            keep_alive: None,
            wait_max: Duration::from_secs(1),
            yield_after: Duration::from_millis(100),
            late_binding_from: Some(Duration::from_millis(20)),
        }
    }
}
