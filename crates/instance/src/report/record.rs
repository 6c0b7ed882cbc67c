//! What `platform.*` records say, in the JSON log and in telemetry alike (developer guide, "Telemetry
//! API event schema reference").

use std::time::Duration;

use kiln_types::{Initialization, InvocationStatus, MemoryMb, RequestId, Timestamp, Version};
use serde_json::{Value, json};

use super::Finished;
use crate::lifecycle::{InitFailure, Phase};
use crate::spec::Spec;

pub(crate) fn init_start(spec: &Spec, how: Initialization) -> Value {
    let mut record = restore_start(spec);
    record["initializationType"] = how.as_str().into();
    record["phase"] = "init".into();
    record
}

pub(crate) fn init_runtime_done(
    how: Initialization,
    phase: Phase,
    failure: Option<(InitFailure, &str)>,
) -> Value {
    with_outcome(
        json!({ "initializationType": how.as_str(), "phase": phase.as_str() }),
        failure,
    )
}

pub(crate) fn init_report(
    how: Initialization,
    phase: Phase,
    failure: Option<(InitFailure, &str)>,
    duration: Duration,
) -> Value {
    with_outcome(
        json!({
            "initializationType": how.as_str(),
            "phase": phase.as_str(),
            "metrics": { "durationMs": rounded(duration) },
        }),
        failure,
    )
}

/// Which version of which function an instance is made for: of an init the same is said, and how.
pub(crate) fn restore_start(spec: &Spec) -> Value {
    let configuration = &spec.configuration;
    let mut record = json!({
        "functionName": spec.id.name.to_string(),
        "functionVersion": configuration.version.to_string(),
        "instanceMaxMemory": configuration.memory.bytes(),
    });
    if let Some(runtime) = &configuration.runtime {
        record["runtimeVersion"] = runtime.as_str().into();
    }
    record
}

pub(crate) fn restore_runtime_done() -> Value {
    json!({ "status": "success" })
}

pub(crate) fn restore_report(duration: Duration) -> Value {
    json!({ "status": "success", "metrics": { "durationMs": rounded(duration) } })
}

fn with_outcome(mut record: Value, failure: Option<(InitFailure, &str)>) -> Value {
    record["status"] = match failure {
        None => "success",
        Some((InitFailure::TimedOut, _)) => "timeout",
        Some(_) => "error",
    }
    .into();
    if let Some((failure, class)) = failure
        && failure != InitFailure::TimedOut
    {
        record["errorType"] = class.into();
    }
    record
}

pub(crate) fn start(request: RequestId, version: Version, trace: Option<&str>) -> Value {
    let record = json!({ "requestId": request, "version": version.to_string() });
    with_trace(record, trace)
}

pub(crate) fn runtime_done(finished: &Finished<'_>) -> Value {
    let report = finished.report;
    with_status(
        json!({
            "requestId": finished.request,
            "metrics": {
                "durationMs": rounded(report.duration),
                "producedBytes": finished.streamed_bytes + report.payload.len() as u64,
            },
        }),
        finished,
    )
}

/// The same with what only telemetry says.
pub(crate) fn runtime_done_traced(
    finished: &Finished<'_>,
    started: Timestamp,
    trace: Option<&str>,
) -> Value {
    let mut record = runtime_done(finished);
    record["spans"] = json!([{
        "name": "responseLatency",
        "start": started.to_string(),
        "durationMs": rounded(finished.report.duration),
    }]);
    with_trace(record, trace)
}

pub(crate) fn report(finished: &Finished<'_>, memory: MemoryMb) -> Value {
    let report = finished.report;
    let mut metrics = json!({
        "durationMs": rounded(report.duration),
        "billedDurationMs": report.billed_ms(),
        "memorySizeMB": memory.get(),
        "maxMemoryUsedMB": report.memory_peak_mb(),
    });
    if let Some(init) = report.init {
        metrics["initDurationMs"] = rounded(init).into();
    }
    if let Some(restore) = report.restore {
        metrics["restoreDurationMs"] = rounded(restore.duration).into();
        metrics["billedRestoreDurationMs"] = report.billed_restore_ms().into();
    }
    with_status(
        json!({ "requestId": finished.request, "metrics": metrics }),
        finished,
    )
}

pub(crate) fn extension(name: &str, state: &str, events: &[&str]) -> Value {
    json!({ "name": name, "state": state, "events": events })
}

pub(crate) fn subscription(name: &str, types: &[&str]) -> Value {
    json!({ "name": name, "state": "Subscribed", "types": types })
}

fn with_status(mut record: Value, finished: &Finished<'_>) -> Value {
    record["status"] = match finished.report.status {
        InvocationStatus::Success => "success",
        InvocationStatus::Timeout | InvocationStatus::RestoreTimeout => "timeout",
        InvocationStatus::Error => "error",
        _ => "failure",
    }
    .into();
    if let Some(class) = finished.error_type {
        record["errorType"] = class.into();
    }
    record
}

fn with_trace(mut record: Value, trace: Option<&str>) -> Value {
    if let Some(trace) = trace {
        record["tracing"] = json!({ "type": "X-Amzn-Trace-Id", "value": trace });
    }
    record
}

/// Milliseconds with three decimals, as AWS writes them in JSON.
fn rounded(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}
