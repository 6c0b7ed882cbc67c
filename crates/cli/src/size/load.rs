//! The load of a function, as the server has counted it.

use std::time::Duration;

use anyhow::{Context, Result};
use kiln_types::{Clock, Timestamp};
use serde_json::Value;

use super::{MEMORY_MB, erlang};
use crate::api::Client;
use crate::duration;

/// Into how many parts the time looked at is divided, to find the busiest. Of a day, hours.
const PARTS_MAX: u64 = 24;
/// A part is at least this long: in less, a few invocations look like a rush.
const PART_SECS_MIN: u64 = 60;

/// Invocations per second, and how long each takes.
pub(super) struct Load {
    pub(super) rate: f64,
    pub(super) duration_ms: f64,
    pub(super) squared_variation: f64,
}

/// What a server knows of a function.
pub(super) struct Observed {
    pub(super) since: Timestamp,
    pub(super) invocations: u64,
    pub(super) cold_starts: u64,
    /// Per second in the busiest part.
    pub(super) rate: f64,
    /// How long a part is.
    pub(super) part_secs: u64,
    /// What was billed for one on average, init included.
    pub(super) duration_ms: f64,
    pub(super) squared_variation: f64,
    pub(super) memory_mb: u64,
    pub(super) reserved: Option<u64>,
}

impl Load {
    /// Invocations at a time, on average (Little's law).
    pub(super) fn erlangs(&self) -> f64 {
        self.rate * self.duration_ms / 1e3
    }
}

impl Observed {
    pub(super) fn cold_rate(&self) -> f64 {
        self.cold_starts as f64 / self.invocations.max(1) as f64
    }
}

/// Asks a server; none when the function was not invoked.
pub(super) async fn observe(
    client: &Client,
    name: &str,
    since: Duration,
) -> Result<Option<Observed>> {
    let function = client.function(name).await?.with_context(|| {
        format!("there is no function '{name}'\n  next: `kiln list` shows what exists")
    })?;
    let name = function["Configuration"]["FunctionName"]
        .as_str()
        .unwrap_or(name);
    let now_ms = client.clock.timestamp().as_millis();
    let since_ms = duration::before(now_ms, since);
    let usage = client.usage_of(name, since_ms, now_ms).await?;
    let number = |member: &str| usage[member].as_f64().unwrap_or(0.0);
    let invocations = usage["invocations"].as_u64().unwrap_or(0);
    if invocations == 0 {
        return Ok(None);
    }
    let (most, part_secs) = busiest(client, name, since_ms, now_ms).await?;
    let variation = erlang::squared_variation(number("durationP50Ms"), number("durationP99Ms"));
    Ok(Some(Observed {
        since: Timestamp::from_millis(since_ms),
        invocations,
        cold_starts: usage["coldStarts"].as_u64().unwrap_or(0),
        rate: most as f64 / part_secs as f64,
        part_secs,
        duration_ms: number("billedMs") / invocations as f64,
        squared_variation: variation.unwrap_or(1.0),
        memory_mb: function["Configuration"]["MemorySize"]
            .as_u64()
            .unwrap_or(MEMORY_MB),
        reserved: function["Concurrency"]["ReservedConcurrentExecutions"].as_u64(),
    }))
}

/// The invocations of the busiest part, and how many seconds it has.
async fn busiest(client: &Client, name: &str, since_ms: i64, now_ms: i64) -> Result<(u64, u64)> {
    let seconds = (now_ms.saturating_sub(since_ms) / 1_000).max(1) as u64;
    let part_secs = seconds.div_ceil(PARTS_MAX).max(PART_SECS_MIN);
    let part_ms = (part_secs * 1_000) as i64;
    let (mut most, mut end_ms) = (0, now_ms);
    while end_ms > since_ms {
        let start_ms = end_ms - part_ms;
        let usage = client.usage_of(name, start_ms, end_ms).await?;
        most = most.max(usage["invocations"].as_u64().unwrap_or(0));
        end_ms = start_ms;
    }
    Ok((most, part_secs))
}

impl Client {
    /// What one function used within a period; null when nothing.
    async fn usage_of(&self, name: &str, since_ms: i64, until_ms: i64) -> Result<Value> {
        let usage = self.usage_within(since_ms, until_ms, name).await?;
        Ok(usage["functions"][0].clone())
    }
}
