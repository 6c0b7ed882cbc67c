//! Starts from a snapshot against initialising the same function.

use std::time::Duration;

use kiln_testkit::{Server, wait_for};
use serde_json::{Value, json};

use crate::load::{self, Load};
use crate::report::{Report, Row, Section, Target, number};
use crate::statistics::{median, millis, percentile};
use crate::subject::{ONE_CORE, Scale, Subject};

/// Builds two clients before its first invocation, as many functions do.
const HANDLER: &str = "import boto3\n\
    S3 = boto3.client('s3', region_name='us-east-1')\n\
    TABLE = boto3.resource('dynamodb', region_name='us-east-1').Table('t')\n\
    def handler(event, context):\n    return 1\n";
/// Each has a snapshot of some 50 MB.
const FUNCTIONS: usize = 40;
/// Between two samples: the pool makes a new stem meanwhile.
const PAUSE: Duration = Duration::from_millis(60);
/// Samples of which the REPORT line is read.
const REPORTED: usize = 9;

pub(super) fn measure(_: &Scale, report: &mut Report) -> anyhow::Result<()> {
    let subject = Subject::start(&[]);
    let names = subject.deploy_with("snapped", FUNCTIONS + REPORTED, publish);
    let (measured, reported) = names.split_at(FUNCTIONS);
    let of_version: Vec<String> = measured.iter().map(|name| format!("{name}:1")).collect();
    let restored = first_invocations(&subject, &of_version)?;
    let initialised = first_invocations(&subject, measured)?;
    let restores: Vec<f64> = reported
        .iter()
        .filter_map(|name| {
            std::thread::sleep(PAUSE);
            let log = subject.server.invoke(&format!("{name}:1"), &json!({})).log;
            let (_, rest) = log.split_once("\tRestore Duration: ")?;
            rest.split_once(" ms")?.0.parse().ok()
        })
        .collect();
    let part = |times: &[Duration], part| millis(percentile(times, part));
    let floor = part(&initialised, 0.5);
    let p50 = part(&restored, 0.5);
    let row = |name, value, unit, floor, target| Row {
        name,
        value,
        unit,
        floor,
        target,
    };
    report.add(Section {
        title: "Start from a snapshot",
        method: format!(
            "{FUNCTIONS} functions of {ONE_CORE} MB that make an S3 client and a DynamoDB table before their first \
             invocation, published with SnapStart, each version invoked once, {} ms apart. Floor: the first \
             invocation of each one's `$LATEST`, which initialises, in the same run.",
            PAUSE.as_millis()
        ),
        rows: vec![
            row("snapshot_start_p50", p50, "ms", Some(floor), Target::AtMost(3.0)),
            row("snapshot_start_p99", part(&restored, 0.99), "ms", Some(floor), Target::AtMost(10.0)),
            row("snapshot_speedup", floor / p50, "times", None, Target::AtLeast(30.0)),
        ],
        detail: vec![
            format!(
                "p10 p50 p90: {} {} {} ms restored, {} {} {} ms initialised",
                number(part(&restored, 0.1)),
                number(p50),
                number(part(&restored, 0.9)),
                number(part(&initialised, 0.1)),
                number(floor),
                number(part(&initialised, 0.9))
            ),
            format!(
                "REPORT lines of {} more: restore {} ms (median); the rest is HTTP, SigV4, admission and the handler",
                restores.len(),
                number(median(&restores))
            ),
        ],
    });
    Ok(())
}

fn publish(server: &Server, name: &str) -> Value {
    let snap_start = json!({"ApplyOn": "PublishedVersions"});
    let function = server.function(name, HANDLER).memory(ONE_CORE);
    function.set("SnapStart", snap_start).create();
    let path = format!("/2015-03-31/functions/{name}");
    server
        .lambda("POST", &format!("{path}/versions"))
        .json(&json!({}))
        .send()
        .expect_status(201);
    let path = format!("{path}/configuration?Qualifier=1");
    wait_for("the version's snapshot", Duration::from_secs(120), || {
        let found = server.lambda("GET", &path).send().expect_status(200).json();
        (found["SnapStart"]["OptimizationStatus"] == "On").then_some(found)
    })
}

fn first_invocations(subject: &Subject, names: &[String]) -> anyhow::Result<Vec<Duration>> {
    std::thread::sleep(PAUSE * 8);
    let answers = load::run(&Load {
        pause: PAUSE,
        ..subject.load(names, 1)?
    })?;
    Ok(answers.latencies)
}
