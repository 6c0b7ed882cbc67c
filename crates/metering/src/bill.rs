//! The record of one invocation.

use std::time::Duration;

use kiln_types::{
    Configuration, FunctionId, InvocationReport, RequestId, RestoreUsage, UsageRecord,
};

/// Which invocation is billed, and to what.
#[derive(Debug, Clone, Copy)]
pub struct Billed<'a> {
    /// The invocation.
    pub request_id: RequestId,
    /// Its function.
    pub function: &'a FunctionId,
    /// What ran.
    pub configuration: &'a Configuration,
    /// Whether on an instance that was kept ready.
    pub provisioned: bool,
}

/// What the invocation used. The bill and the memory peak are those of its REPORT line.
pub fn bill(billed: Billed<'_>, report: &InvocationReport) -> UsageRecord {
    let configuration = billed.configuration;
    UsageRecord {
        request_id: billed.request_id,
        function: billed.function.clone(),
        version: configuration.version,
        started: report.started,
        init_us: report.init.map(micros),
        restore: report.restore.map(|restore| RestoreUsage {
            duration_us: micros(restore.duration),
            billed_ms: report.billed_restore_ms(),
        }),
        duration_us: micros(report.duration),
        billed_ms: report.billed_ms() + report.billed_restore_ms(),
        memory: configuration.memory,
        memory_peak_mb: report.memory_peak_mb(),
        ephemeral: configuration.ephemeral,
        architecture: configuration.architecture,
        cpu_us: micros(report.cpu),
        traffic: report.traffic,
        status: report.status,
        provisioned: billed.provisioned,
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kiln_types::{InvocationStatus, Restore, Timestamp};

    use super::*;
    use crate::sample::{configuration, id};

    fn record(duration: Duration, init: Option<Duration>, peak_bytes: u64) -> UsageRecord {
        let id = id("sum");
        let report = InvocationReport {
            status: InvocationStatus::Success,
            payload: Bytes::new(),
            started: Timestamp::from_millis(5),
            duration,
            share: None,
            init,
            restore: None,
            memory_peak_bytes: peak_bytes,
            cpu: Duration::from_micros(7),
            traffic: Default::default(),
            log_tail: None,
        };
        let configuration = configuration(&id);
        let billed = Billed {
            request_id: RequestId::random(),
            function: &id,
            configuration: &configuration,
            provisioned: false,
        };
        bill(billed, &report)
    }

    #[test]
    fn a_begun_millisecond_is_billed_whole() {
        assert_eq!(record(Duration::from_micros(1_000), None, 0).billed_ms, 1);
        assert_eq!(record(Duration::from_micros(1_001), None, 0).billed_ms, 2);
        assert_eq!(record(Duration::ZERO, None, 0).billed_ms, 0);
    }

    #[test]
    fn init_and_run_time_are_rounded_up_together_not_each() {
        let init = Some(Duration::from_micros(1_400));
        let paid = record(Duration::from_micros(1_500), init, 0);
        assert_eq!(paid.billed_ms, 3);
        assert_eq!(paid.init_us, Some(1_400));
        assert_eq!(paid.duration_us, 1_500);
    }

    #[test]
    fn hooks_after_a_restore_are_billed_and_the_rest_of_it_is_not() {
        let report = InvocationReport {
            status: InvocationStatus::Success,
            payload: Bytes::new(),
            started: Timestamp::default(),
            duration: Duration::from_micros(1_500),
            init: None,
            restore: Some(Restore {
                duration: Duration::from_millis(100),
                hooks: Duration::from_micros(2_500),
            }),
            share: None,
            traffic: Default::default(),
            memory_peak_bytes: 0,
            cpu: Duration::ZERO,
            log_tail: None,
        };
        let id = id("sum");
        let billed = Billed {
            request_id: RequestId::random(),
            function: &id,
            configuration: &configuration(&id),
            provisioned: false,
        };
        let record = bill(billed, &report);
        assert_eq!((record.billed_ms, record.init_us), (2 + 3, None));
        let restore = RestoreUsage {
            duration_us: 100_000,
            billed_ms: 3,
        };
        assert_eq!(record.restore, Some(restore));
    }

    #[test]
    fn memory_peak_is_rounded_up_to_a_mebibyte() {
        assert_eq!(
            record(Duration::ZERO, None, (30 << 20) + 1).memory_peak_mb,
            31
        );
    }
}
