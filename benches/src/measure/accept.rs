//! Asynchronous events: how many are accepted a second, and how soon they run.
//!
//! What the store alone accepts is measured by `cargo run --release -p kiln-store --example measure`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use kiln_testkit::{Server, sign};
use kiln_types::{AccessPoint, Clock as _, SystemClock};
use serde_json::json;

use crate::floor;
use crate::load::{self, Load, request};
use crate::report::{Report, Row, Section, Target, number};
use crate::statistics::{median, millis, percentile};
use crate::subject::{HANDLER_OF_NOTHING, ONE_CORE, Scale, Subject};

const CONNECTIONS: usize = 64;
const EVENT_BYTES: usize = 1_024;
/// Owns the directory that the function writes to; nobody on this machine.
const OWNER: u32 = 1_234_567;
/// Says when it was begun and when its event was sent.
const SAYS_WHEN: &str = "import time\n\n\ndef handler(event, context):\n    \
     with open('/mnt/starts/times', 'a') as times:\n        \
     times.write(f\"{event['sent']} {time.time_ns() // 1000000}\\n\")\n";

pub(super) fn measure(scale: &Scale, report: &mut Report) -> anyhow::Result<()> {
    let (accepts, bare) = accepts(scale)?;
    let starts = starts(scale)?;
    report.add(Section {
        title: "Asynchronous events",
        method: format!(
            "{CONNECTIONS} keep-alive connections hand over signed events of {EVENT_BYTES} bytes, {} rounds of {} \
             ms in turn with the floor, a bare hyper server; each is on disk before its 202, and the function \
             handles them at the same time on the same cores. Then {} events one after another to a warm \
             function: from before the request is sent to the handler's first line, in whole milliseconds.",
            scale.rounds,
            scale.round.as_millis(),
            starts.len()
        ),
        rows: vec![
            Row {
                name: "accept_http",
                value: accepts,
                unit: "events/s",
                floor: Some(bare),
                target: Target::RatioAtLeast(0.05),
            },
            Row {
                name: "accept_to_start_p50",
                value: millis(percentile(&starts, 0.5)),
                unit: "ms",
                floor: None,
                target: Target::AtMost(5.0),
            },
        ],
        detail: vec![format!(
            "accept to start: p90 {} ms, p99 {} ms",
            number(millis(percentile(&starts, 0.9))),
            number(millis(percentile(&starts, 0.99)))
        )],
    });
    Ok(())
}

/// Events accepted per second, and requests that a bare server answers.
fn accepts(scale: &Scale) -> anyhow::Result<(f64, f64)> {
    let subject = Subject::start(&["--queue-max-mb", "65536"]);
    let create = |server: &Server, name: &str| {
        let function = server.function(name, HANDLER_OF_NOTHING);
        function.memory(ONE_CORE).create()
    };
    subject.deploy_with("accept", 1, create);
    let hyper = floor::Process::start(&["floor-hyper"])?;
    let body = format!("\"{}\"", "x".repeat(EVENT_BYTES - 2));
    let ours = Load {
        to: subject.address()?,
        requests: Arc::new(vec![event(&subject.server, "accept-0", body.as_bytes())]),
        connections: CONNECTIONS,
        count_max: usize::MAX,
        time_max: scale.round,
        pause: Duration::ZERO,
    };
    let bare = Load {
        to: hyper.address,
        requests: Arc::new(vec![request(
            "POST",
            "/accept",
            "localhost",
            &[],
            body.as_bytes(),
        )]),
        ..ours.clone()
    };
    let (mut accepts, mut floors) = (vec![], vec![]);
    for _ in 0..scale.rounds {
        floors.push(load::run(&bare)?.per_second());
        accepts.push(load::run(&ours)?.per_second());
    }
    Ok((median(&accepts), median(&floors)))
}

/// From before an event is sent to the handler's first line.
fn starts(scale: &Scale) -> anyhow::Result<Vec<Duration>> {
    let dir = tempfile::tempdir()?;
    std::os::unix::fs::chown(dir.path(), Some(OWNER), Some(OWNER))?;
    let setting = format!("starts={}", dir.path().display());
    let subject = Subject::start(&["--file-system", &setting]);
    let id = AccessPoint::named("starts");
    let arn = format!("arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/{id}");
    let server = &subject.server;
    server
        .function("starts", SAYS_WHEN)
        .memory(ONE_CORE)
        .set(
            "FileSystemConfigs",
            json!([{"Arn": arn, "LocalMountPath": "/mnt/starts"}]),
        )
        .create();
    server.invoke("starts", &json!({"sent": 0})).success();
    let clock = SystemClock::start();
    for _ in 0..scale.dry {
        let sent = clock.timestamp().as_millis();
        server
            .lambda("POST", "/2015-03-31/functions/starts/invocations")
            .header("x-amz-invocation-type", "Event")
            .body(json!({ "sent": sent }).to_string())
            .send()
            .expect_status(202);
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(500));
    let times = std::fs::read_to_string(dir.path().join("times"))?;
    let mut starts = Vec::new();
    for line in times.lines() {
        let (sent, started) = line.split_once(' ').context("two times a line")?;
        let (sent, started): (u64, u64) = (sent.parse()?, started.parse()?);
        if sent > 0 {
            starts.push(Duration::from_millis(started.saturating_sub(sent)));
        }
    }
    ensure!(
        starts.len() == scale.dry,
        "{} of {} ran",
        starts.len(),
        scale.dry
    );
    Ok(starts)
}

/// The signed request that hands an event over.
fn event(server: &Server, name: &str, body: &[u8]) -> Vec<u8> {
    let target = format!("/2015-03-31/functions/{name}/invocations");
    let url = format!("{}{target}", server.keys().endpoint);
    let kind = ("x-amz-invocation-type".to_owned(), "Event".to_owned());
    let headers = [kind];
    let signed = sign(server.keys(), "lambda", "POST", &url, &headers, body);
    let mut headers = headers.to_vec();
    headers.extend(signed.headers);
    request("POST", &target, server.authority(), &headers, body)
}
