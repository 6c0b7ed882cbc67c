//! The platform's own log records: `START`, `END`, `REPORT` and `INIT_REPORT` lines, or the
//! `platform.*` documents of the JSON log format.

pub(crate) mod record;

use std::time::Duration;

use kiln_types::{
    Initialization, InvocationReport, InvocationStatus, LogFormat, LogLevel, LoggingConfig,
    MemoryMb, RequestId, Timestamp, Version,
};
use serde_json::{Value, json};

use crate::extensions::roster::Listed;
use crate::lifecycle::{InitFailure, Phase};

/// Writes the platform's records of one function.
#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    format: LogFormat,
    level: LogLevel,
    version: Version,
    memory: MemoryMb,
    how: Initialization,
}

/// What the last records of an invocation say.
#[derive(Debug)]
pub(crate) struct Finished<'a> {
    pub(crate) request: RequestId,
    pub(crate) report: &'a InvocationReport,
    /// The class of the error that the platform found or the runtime named.
    pub(crate) error_type: Option<&'a str>,
    /// What of the answer was passed on as it was made, in bytes.
    pub(crate) streamed_bytes: u64,
}

impl Reporter {
    pub(crate) fn new(
        logging: &LoggingConfig,
        version: Version,
        memory: MemoryMb,
        how: Initialization,
    ) -> Self {
        let level = logging.system_level.unwrap_or(LogLevel::Info);
        Self {
            format: logging.format,
            level,
            version,
            memory,
            how,
        }
    }

    /// For whom the instance is initialised.
    pub(crate) fn how(&self) -> Initialization {
        self.how
    }

    /// The record with which an invocation's log begins.
    pub(crate) fn start(&self, request: RequestId, now: Timestamp) -> Option<String> {
        match self.format {
            LogFormat::Text => Some(format!(
                "START RequestId: {request} Version: {}",
                self.version
            )),
            LogFormat::Json => self.document(now, LogLevel::Info, "platform.start", || {
                record::start(request, self.version, None)
            }),
        }
    }

    /// The records with which it ends.
    pub(crate) fn finish(&self, finished: &Finished<'_>, now: Timestamp) -> Vec<String> {
        match self.format {
            LogFormat::Text => {
                vec![
                    format!("END RequestId: {}", finished.request),
                    self.report_line(finished),
                ]
            }
            LogFormat::Json => self
                .finish_documents(finished, now)
                .into_iter()
                .flatten()
                .collect(),
        }
    }

    /// The record of an init that failed; one that succeeds is part of the invocation's report.
    pub(crate) fn init_failed(
        &self,
        phase: Phase,
        failure: InitFailure,
        error_type: &str,
        duration: Duration,
        now: Timestamp,
    ) -> Option<String> {
        let status = if failure == InitFailure::TimedOut {
            "timeout"
        } else {
            "error"
        };
        let init = millis(duration);
        match self.format {
            LogFormat::Text => {
                let phase = phase.as_str();
                let class = (failure != InitFailure::TimedOut).then_some(error_type);
                let suffix = class.map(|class| format!("\tError Type: {class}"));
                Some(format!(
                    "INIT_REPORT Init Duration: {init:.2} ms\tPhase: {phase}\tStatus: {status}{}",
                    suffix.unwrap_or_default(),
                ))
            }
            LogFormat::Json => self.document(now, LogLevel::Warn, "platform.initReport", || {
                record::init_report(self.how, phase, Some((failure, error_type)), duration)
            }),
        }
    }

    /// The record of an extension that takes part in the first invocation.
    pub(crate) fn extension(&self, listed: &Listed, now: Timestamp) -> Option<String> {
        let Listed {
            name,
            state,
            events,
        } = listed;
        match self.format {
            LogFormat::Text => Some(format!(
                "EXTENSION\tName: {name}\tState: {state}\tEvents: [{}]",
                events.join(", ")
            )),
            LogFormat::Json => self.document(now, LogLevel::Info, "platform.extension", || {
                record::extension(name, state, events)
            }),
        }
    }

    /// The record of an extension that gets telemetry.
    pub(crate) fn subscription(
        &self,
        name: &str,
        types: &[&str],
        now: Timestamp,
    ) -> Option<String> {
        let kind = "platform.telemetrySubscription";
        match self.format {
            LogFormat::Text => Some(format!(
                "TELEMETRY\tName: {name}\tState: Subscribed\tTypes: [{}]",
                types.join(", ")
            )),
            LogFormat::Json => self.document(now, LogLevel::Info, kind, || {
                record::subscription(name, types)
            }),
        }
    }

    fn report_line(&self, finished: &Finished<'_>) -> String {
        let report = finished.report;
        let mut line = format!(
            "REPORT RequestId: {}\tDuration: {:.2} ms\tBilled Duration: {} ms\tMemory Size: {} MB\tMax Memory Used: {} MB\t",
            finished.request,
            millis(report.duration),
            report.billed_ms(),
            self.memory.get(),
            report.memory_peak_mb(),
        );
        if let Some(init) = report.init {
            line.push_str(&format!("Init Duration: {:.2} ms\t", millis(init)));
        }
        if let Some(restore) = report.restore {
            let (all, billed) = (millis(restore.duration), report.billed_restore_ms());
            line.push_str(&format!(
                "Restore Duration: {all:.2} ms\tBilled Restore Duration: {billed} ms\t"
            ));
        }
        match (report.status, finished.error_type) {
            (InvocationStatus::Success | InvocationStatus::Error, _) => {}
            (InvocationStatus::Timeout | InvocationStatus::RestoreTimeout, _) => {
                line.push_str("Status: timeout")
            }
            (_, class) => {
                line.push_str("Status: error");
                if let Some(class) = class {
                    line.push_str(&format!("\tError Type: {class}"));
                }
            }
        }
        line
    }

    fn finish_documents(&self, finished: &Finished<'_>, now: Timestamp) -> [Option<String>; 2] {
        let status = finished.report.status;
        // Severities of the "system log level event mapping" table in the developer guide.
        let (done, reported) = match status {
            InvocationStatus::Success => (LogLevel::Debug, LogLevel::Info),
            _ => (LogLevel::Warn, LogLevel::Warn),
        };
        let runtime_done = self.document(now, done, "platform.runtimeDone", || {
            record::runtime_done(finished)
        });
        let reported = self.document(now, reported, "platform.report", || {
            record::report(finished, self.memory)
        });
        [runtime_done, reported]
    }

    fn document(
        &self,
        now: Timestamp,
        level: LogLevel,
        kind: &str,
        record: impl FnOnce() -> Value,
    ) -> Option<String> {
        (level >= self.level).then(|| {
            json!({ "time": now.to_string(), "type": kind, "record": record() }).to_string()
        })
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests;
