//! The platform's log lines, to the letter.

use bytes::Bytes;
use kiln_types::{FunctionId, Initialization, Restore};

use super::*;

const ID: &str = "8f507cfc-e3c6-4b5c-b3d6-0d4a5a8b2f1e";

fn reporter(format: LogFormat, level: Option<LogLevel>) -> Reporter {
    let id = FunctionId {
        account: Default::default(),
        name: "sum".parse().unwrap(),
    };
    let mut logging = LoggingConfig::of(&id);
    logging.format = format;
    logging.system_level = level;
    Reporter::new(
        &logging,
        Version::Latest,
        MemoryMb::default(),
        Initialization::OnDemand,
    )
}

fn report(status: InvocationStatus, init: Option<Duration>) -> InvocationReport {
    InvocationReport {
        status,
        payload: Bytes::from_static(b"three"),
        started: Timestamp::default(),
        duration: Duration::from_micros(1_230),
        share: None,
        init,
        restore: None,
        memory_peak_bytes: (34 << 20) + 1,
        cpu: Duration::ZERO,
        traffic: Default::default(),
        log_tail: None,
    }
}

fn finish(reporter: &Reporter, report: &InvocationReport, class: Option<&str>) -> Vec<String> {
    let request = ID.parse().unwrap();
    reporter.finish(
        &Finished {
            request,
            report,
            error_type: class,
            streamed_bytes: 0,
        },
        Timestamp::default(),
    )
}

#[test]
fn text_lines_read_as_aws_writes_them() {
    let reporter = reporter(LogFormat::Text, None);
    let start = reporter.start(ID.parse().unwrap(), Timestamp::default());
    assert_eq!(
        start.unwrap(),
        format!("START RequestId: {ID} Version: $LATEST")
    );
    let init = Some(Duration::from_millis(1));
    let lines = finish(&reporter, &report(InvocationStatus::Success, init), None);
    assert_eq!(lines[0], format!("END RequestId: {ID}"));
    assert_eq!(
        lines[1],
        format!(
            "REPORT RequestId: {ID}\tDuration: 1.23 ms\tBilled Duration: 3 ms\tMemory Size: 128 MB\tMax Memory Used: 35 MB\tInit Duration: 1.00 ms\t"
        )
    );
    let line = |status, class| finish(&reporter, &report(status, None), class)[1].clone();
    assert!(line(InvocationStatus::Error, Some("ValueError")).ends_with("Used: 35 MB\t"));
    assert!(line(InvocationStatus::Timeout, None).ends_with("MB\tStatus: timeout"));
    let crash = line(InvocationStatus::Crash, Some("Runtime.ExitError"));
    assert!(
        crash.ends_with("MB\tStatus: error\tError Type: Runtime.ExitError"),
        "{crash}"
    );
}

#[test]
fn an_instance_from_a_snapshot_reports_its_restore_in_place_of_init() {
    let mut restored = report(InvocationStatus::Success, None);
    restored.restore = Some(Restore {
        duration: Duration::from_micros(4_560),
        hooks: Duration::from_micros(1_200),
    });
    let line = finish(&reporter(LogFormat::Text, None), &restored, None)[1].clone();
    assert!(line.contains("\tBilled Duration: 2 ms\t"), "{line}");
    let end = "35 MB\tRestore Duration: 4.56 ms\tBilled Restore Duration: 2 ms\t";
    assert!(line.ends_with(end), "{line}");
    let document = finish(&reporter(LogFormat::Json, None), &restored, None).pop();
    let document: Value = serde_json::from_str(&document.unwrap()).unwrap();
    let metrics = &document["record"]["metrics"];
    assert_eq!(metrics["restoreDurationMs"], 4.56);
    assert_eq!(metrics["billedRestoreDurationMs"], 2);
    assert!(metrics["initDurationMs"].is_null());
}

#[test]
fn a_failed_init_has_a_line_of_its_own() {
    let reporter = reporter(LogFormat::Text, None);
    let line = |phase, failure| {
        let duration = Duration::from_micros(10_008_000);
        reporter.init_failed(
            phase,
            failure,
            "Runtime.ExitError",
            duration,
            Timestamp::default(),
        )
    };
    assert_eq!(
        line(Phase::Init, InitFailure::TimedOut).unwrap(),
        "INIT_REPORT Init Duration: 10008.00 ms\tPhase: init\tStatus: timeout"
    );
    assert_eq!(
        line(Phase::Invoke, InitFailure::Exited).unwrap(),
        "INIT_REPORT Init Duration: 10008.00 ms\tPhase: invoke\tStatus: error\tError Type: Runtime.ExitError"
    );
}

#[test]
fn json_documents_follow_the_system_log_level() {
    let kinds = |level, status| {
        let reporter = reporter(LogFormat::Json, level);
        let mut documents: Vec<String> = reporter
            .start(ID.parse().unwrap(), Timestamp::default())
            .into_iter()
            .collect();
        documents.extend(finish(&reporter, &report(status, None), None));
        let kind = |text: &String| {
            let document: Value = serde_json::from_str(text).unwrap();
            document["type"].as_str().unwrap().to_owned()
        };
        documents.iter().map(kind).collect::<Vec<_>>()
    };
    let (start, done, report) = ("platform.start", "platform.runtimeDone", "platform.report");
    assert_eq!(kinds(None, InvocationStatus::Success), [start, report]);
    assert_eq!(
        kinds(Some(LogLevel::Debug), InvocationStatus::Success),
        [start, done, report]
    );
    assert_eq!(
        kinds(Some(LogLevel::Warn), InvocationStatus::Success),
        Vec::<String>::new()
    );
    assert_eq!(
        kinds(Some(LogLevel::Warn), InvocationStatus::Timeout),
        [done, report]
    );
}

#[test]
fn the_json_report_has_the_numbers_of_the_line() {
    let reporter = reporter(LogFormat::Json, None);
    let init = Some(Duration::from_millis(1));
    let documents = finish(
        &reporter,
        &report(InvocationStatus::OutOfMemory, init),
        Some("Runtime.OutOfMemory"),
    );
    let document: Value = serde_json::from_str(documents.last().unwrap()).unwrap();
    assert_eq!(
        document,
        json!({
            "time": "1970-01-01T00:00:00.000Z",
            "type": "platform.report",
            "record": {
                "requestId": ID,
                "metrics": {
                    "durationMs": 1.23,
                    "billedDurationMs": 3,
                    "memorySizeMB": 128,
                    "maxMemoryUsedMB": 35,
                    "initDurationMs": 1.0,
                },
                "status": "failure",
                "errorType": "Runtime.OutOfMemory",
            },
        })
    );
}
