//! `GET /_kiln/status`: how the whole server stands, in numbers.
//!
//! The gateway does not know the components below the invoker, so whoever wires the server says how
//! to read them.

use std::collections::BTreeMap;

use serde::Serialize;

/// How the server stands. Counts are since its start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Instances by what they do now.
    pub instances: Instances,
    /// What live instances were promised and may be promised.
    pub memory: Memory,
    /// What became of requests for an instance.
    pub requests: Requests,
    /// The sandboxes under the instances.
    pub sandboxes: Sandboxes,
    /// Asynchronous events and dead letters.
    pub events: Events,
    /// What was published to buses and topics; lost is what a target that is gone did not get and no dead-letter queue took.
    pub publications: Lost,
    /// Ticks of schedules.
    pub schedules: Schedules,
    /// Usage records.
    pub usage: Records,
    /// Log records.
    pub logs: Lost,
    /// The TLS certificate, where there is one or is to be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
}

/// How the TLS certificate stands. What is absent is known of certificates by ACME alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// Where it comes from: `files` or `acme`.
    pub source: &'static str,
    /// `good`, `notYet` valid, `endsSoon`, `ended`, or `missing`.
    pub standing: &'static str,
    /// Until when it is valid.
    pub valid_until: Option<String>,
    /// What it is ordered for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<Vec<String>>,
    /// When the next one is ordered; absent too when that is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_order: Option<String>,
    /// Orders that failed since the last one that did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_orders: Option<u32>,
    /// Why the last of them failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// Instances by what they do now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Instances {
    /// In their init, for nobody yet.
    pub starting: usize,
    /// Running an invocation.
    pub busy: usize,
    /// Waiting for work, the frozen ones included.
    pub idle: usize,
    /// Idle and frozen.
    pub frozen: usize,
    /// Told to end.
    pub stopping: usize,
    /// Ever started.
    pub started: u64,
    /// Ended while idle to make room.
    pub evicted: u64,
}

/// Memory of all live instances.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// What they were promised together.
    pub promised_bytes: u64,
    /// What they may be promised together.
    pub budget_bytes: u64,
}

/// What became of requests for an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Requests {
    /// Waiting now.
    pub waiting: usize,
    /// Got one.
    pub granted: u64,
    /// Had to wait for one.
    pub waited: u64,
    /// Were refused.
    pub refused: u64,
    /// Found all provisioned instances of their version busy, and got another.
    pub spilled: u64,
}

/// The sandboxes under the instances.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sandboxes {
    /// There now, the pooled ones included.
    pub live: usize,
    /// Empty ones that are ready.
    pub shells_ready: usize,
    /// Booted ones that are ready, by runtime.
    pub stems_ready: BTreeMap<String, usize>,
    /// Starts that found no stem ready.
    pub forked_on_demand: u64,
    /// How often the spawner had to be started again.
    pub spawner_restarts: u64,
}

/// Asynchronous events and dead letters. Counts are since the data directory was made, and at any time
/// received = succeeded + failed + dropped + dead letters + queued.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Events {
    /// Accepted, those for destinations included.
    pub received: u64,
    /// Succeeded.
    pub succeeded: u64,
    /// Given up, and a destination was told.
    pub failed: u64,
    /// Dead letters that were purged.
    pub dropped: u64,
    /// Times that an event had to wait again after it was started.
    pub retried: u64,
    /// Times that an event was started again because the server ended while it ran.
    pub redelivered: u64,
    /// Dead letters that became events again.
    pub redriven: u64,
    /// Events that succeeded and whose destination could not be told so; they became dead letters.
    pub untold: u64,
    /// Waiting or running.
    pub queued: u64,
    /// Running.
    pub in_flight: u32,
    /// Dead letters.
    pub dead_letters: u64,
    /// What events, dead letters and the messages of queues take.
    pub bytes: u64,
    /// How long the event has waited that could run and has waited longest.
    pub lag_ms: u64,
}

/// Ticks of schedules. Counts are since the data directory was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Schedules {
    /// Delivered.
    pub fired: u64,
    /// Given up, and a dead-letter queue has them.
    pub dead_lettered: u64,
    /// Given up.
    pub lost: u64,
}

/// Records that are kept unless too many come at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Records {
    /// Kept.
    pub kept: u64,
    /// Lost.
    pub dropped: u64,
}

/// Records of which only the lost are counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lost {
    /// Lost.
    pub dropped: u64,
}
