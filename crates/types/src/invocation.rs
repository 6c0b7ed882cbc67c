//! One invocation: what goes to an instance, what comes back, and what the caller gets.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::arn::FunctionArn;
use crate::clock::Timestamp;
use crate::id::RequestId;
use crate::name::Version;
use crate::network::Traffic;
use crate::tenancy::TenantId;

/// For whom an instance is initialised, and so how long that may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Initialization {
    /// For an invocation, under way or soon to come.
    #[default]
    OnDemand,
    /// To be kept ready for a version with provisioned concurrency.
    Provisioned,
    /// Once for a snapshot, of which instances are made.
    SnapStart,
}

impl Initialization {
    /// AWS's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Initialization::OnDemand => "on-demand",
            Initialization::Provisioned => "provisioned-concurrency",
            Initialization::SnapStart => "snap-start",
        }
    }
}

/// What an instance is asked to run.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Names it in logs, usage and answers.
    pub request_id: RequestId,
    /// The event, passed on as it came.
    pub payload: Bytes,
    /// The function as the caller named it.
    pub invoked_arn: FunctionArn,
    /// The caller's client context: JSON, already decoded from base64.
    pub client_context: Option<String>,
    /// For whom, of a function that tells its tenants apart.
    pub tenant: Option<TenantId>,
    /// The tracing header.
    pub trace: Option<String>,
    /// Whether the caller wants the end of the log.
    pub wants_log_tail: bool,
}

/// What an instance reports of one invocation.
#[derive(Debug, Clone)]
pub struct InvocationReport {
    /// How it ended.
    pub status: InvocationStatus,
    /// The result, or an error document when the status is a failure.
    pub payload: Bytes,
    /// When it was handed to the runtime.
    pub started: Timestamp,
    /// From then to its end.
    pub duration: Duration,
    /// What is charged of that where invocations shared the instance: its part of the time. None: all
    /// of it.
    pub share: Option<Duration>,
    /// How long init took, when this invocation was the first of its instance.
    pub init: Option<Duration>,
    /// The same of an instance that came from a snapshot.
    pub restore: Option<Restore>,
    /// The most memory the instance has used so far, in bytes.
    pub memory_peak_bytes: u64,
    /// CPU time spent during the invocation.
    pub cpu: Duration,
    /// What its instance's programs exchanged with the world since the invocation before.
    pub traffic: Traffic,
    /// The end of the log, when it was asked for.
    pub log_tail: Option<Bytes>,
}

/// How long it took to make an instance of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restore {
    /// All of it.
    pub duration: Duration,
    /// What the function's own hooks took of it: that is charged.
    pub hooks: Duration,
}

/// How an invocation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum InvocationStatus {
    /// The handler returned.
    Success,
    /// The handler raised, or its result could not be used.
    Error,
    /// The time ran out.
    Timeout,
    /// The process ended.
    Crash,
    /// The process was killed for the memory it took.
    OutOfMemory,
    /// The function could not be initialised.
    InitError,
    /// A hook failed that runs after the instance was made of a snapshot. The handler did not run.
    RestoreError,
    /// The instance could not be made of its snapshot in time. The handler did not run.
    RestoreTimeout,
}

/// What the caller of an invocation gets.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Names the invocation.
    pub request_id: RequestId,
    /// The version that ran, aliases resolved.
    pub executed_version: Version,
    /// What the instance reported; none for a dry run.
    pub report: Option<InvocationReport>,
}

/// How AWS classes the error of a function: there is one class today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionError {
    /// Every failure of the function, its runtime or its time limit.
    Unhandled,
}

impl InvocationReport {
    /// What is charged, in whole milliseconds: init and run time together, rounded up. AWS bills
    /// init since August 2025. Of a time in which invocations shared an instance each is charged its
    /// part, so that together they are charged what the instance took.
    pub fn billed_ms(&self) -> u64 {
        let charged = self.share.unwrap_or(self.duration) + self.init.unwrap_or_default();
        whole_millis(charged)
    }

    /// What is charged for restoring, in whole milliseconds; beside [`billed_ms`](Self::billed_ms).
    pub fn billed_restore_ms(&self) -> u64 {
        self.restore
            .map_or(0, |restore| whole_millis(restore.hooks))
    }

    /// The most memory the instance has used so far, in MiB, rounded up.
    pub fn memory_peak_mb(&self) -> u32 {
        self.memory_peak_bytes.div_ceil(1 << 20) as u32
    }
}

impl InvocationStatus {
    /// The name in usage records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            InvocationStatus::Success => "success",
            InvocationStatus::Error => "error",
            InvocationStatus::Timeout => "timeout",
            InvocationStatus::Crash => "crash",
            InvocationStatus::OutOfMemory => "out-of-memory",
            InvocationStatus::InitError => "init-error",
            InvocationStatus::RestoreError => "restore-error",
            InvocationStatus::RestoreTimeout => "restore-timeout",
        }
    }

    /// Whether the caller is told of an error.
    pub fn function_error(self) -> Option<FunctionError> {
        match self {
            InvocationStatus::Success => None,
            _ => Some(FunctionError::Unhandled),
        }
    }

    /// Whether the instance can take another invocation afterwards.
    pub fn leaves_instance_usable(self) -> bool {
        matches!(self, InvocationStatus::Success | InvocationStatus::Error)
    }
}

/// Rounded up.
fn whole_millis(duration: Duration) -> u64 {
    duration.as_micros().div_ceil(1_000) as u64
}

impl FunctionError {
    /// The name AWS uses.
    pub fn as_str(self) -> &'static str {
        match self {
            FunctionError::Unhandled => "Unhandled",
        }
    }
}
