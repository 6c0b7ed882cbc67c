//! What one invocation used, and what keeping instances ready did.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::RequestId;
use crate::invocation::InvocationStatus;
use crate::name::{FunctionId, Version};
use crate::network::Traffic;
use crate::runtime::Architecture;
use crate::units::{EphemeralMb, MemoryMb};

/// What restoring a snapshot took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreUsage {
    /// All of it, in microseconds.
    pub duration_us: u64,
    /// What is charged for it, in whole milliseconds: the function's own hooks.
    pub billed_ms: u64,
}

/// The record kept of every invocation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsageRecord {
    /// Which invocation.
    pub request_id: RequestId,
    /// Of which function.
    pub function: FunctionId,
    /// The version that ran.
    pub version: Version,
    /// When it was handed to the runtime.
    pub started: Timestamp,
    /// Init time in microseconds when the invocation paid for one.
    pub init_us: Option<u64>,
    /// What restoring a snapshot took when the invocation paid for that.
    pub restore: Option<RestoreUsage>,
    /// Run time in microseconds.
    pub duration_us: u64,
    /// What is charged, in whole milliseconds: init and run time together, rounded up, and what is
    /// charged for a restore.
    pub billed_ms: u64,
    /// The memory it was given.
    pub memory: MemoryMb,
    /// The most memory its instance has used, in MiB, rounded up.
    pub memory_peak_mb: u32,
    /// The size of its `/tmp`.
    pub ephemeral: EphemeralMb,
    /// What it ran on.
    pub architecture: Architecture,
    /// CPU time in microseconds.
    pub cpu_us: u64,
    /// What its instance's programs exchanged with the world since the invocation before.
    pub traffic: Traffic,
    /// How it ended.
    pub status: InvocationStatus,
    /// Whether its instance was one of those kept ready, which has another price.
    pub provisioned: bool,
}

/// The record kept of a stretch of time for which instances of a version were kept ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvisionedRecord {
    /// Of which function.
    pub function: FunctionId,
    /// Of which version.
    pub version: Version,
    /// When it began. A version has one record of a moment, which grows for as long as the stretch goes on.
    pub started: Timestamp,
    /// How long it was, in milliseconds.
    pub duration_ms: u64,
    /// How many instances were asked for.
    pub instances: u32,
    /// The memory each was given.
    pub memory: MemoryMb,
    /// What they were kept on.
    pub architecture: Architecture,
}
