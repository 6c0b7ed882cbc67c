//! Asynchronous events: how many are accepted a second, and how soon they run.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kiln_testkit::{Server, sign};
use kiln_types::{Clock as _, SystemClock};
use serde_json::json;

use crate::floor;
use crate::load::{self, Load, request};
use crate::report::{Report, Row, Section, Target, number};
use crate::starts::Starts;
use crate::statistics::{median, millis, percentile};
use crate::subject::{HANDLER_OF_NOTHING, ONE_CORE, Scale, Subject};

const CONNECTIONS: usize = 64;
const EVENT_BYTES: usize = 1_024;
/// Busy for as long as the measure takes.
const SLEEPS: &str = "import time\n\n\ndef handler(event, context):\n    time.sleep(600)\n";
pub(super) fn measure(scale: &Scale, report: &mut Report) -> anyhow::Result<()> {
    let accepts = accepts(scale)?;
    let starts = starts(scale)?;
    report.add(Section {
        title: "Asynchronous events",
        method: format!(
            "`accept_store` is what the store accepts of {CONNECTIONS} callers, each with an event on disk before its next, \
             without HTTP. Then {CONNECTIONS} keep-alive connections hand over signed events of {EVENT_BYTES} bytes, {} rounds of {} \
             ms in turn with the floor, a bare hyper server; each is on disk before its 202. `accept_burst` is of a \
             function that is busy, so that its events wait; `accept_http` of one that handles them at the same time \
             on the same cores. The load generator has its share of the cores in both. Then {} events one after \
             another to a warm function: from before the request is sent to the handler's first line, in whole \
             milliseconds.",
            scale.rounds,
            scale.round.as_millis(),
            starts.len()
        ),
        rows: vec![
            Row {
                name: "accept_store",
                value: store_alone()?,
                unit: "events/s",
                floor: None,
                target: Target::AtLeast(20_000.0),
            },
            Row {
                name: "accept_burst",
                value: median(&accepts.waiting),
                unit: "events/s",
                floor: Some(median(&accepts.bare)),
                target: Target::AtLeast(20_000.0),
            },
            Row {
                name: "accept_http",
                value: median(&accepts.handled),
                unit: "events/s",
                floor: Some(median(&accepts.bare)),
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
        detail: vec![
            format!("accept_burst: {}", accepts.spent),
            format!(
                "accept to start: p90 {} ms, p99 {} ms",
                number(millis(percentile(&starts, 0.9))),
                number(millis(percentile(&starts, 0.99)))
            ),
        ],
    });
    Ok(())
}

/// Events that the store accepts per second, as its own example measures it.
fn store_alone() -> anyhow::Result<f64> {
    let bench = std::env::current_exe()?;
    let example = bench.with_file_name("examples").join("measure");
    let dir = tempfile::tempdir()?;
    let output = Command::new(&example).arg(dir.path().join("data")).output();
    let output = output.with_context(|| format!("run {}", example.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let said = text.split_once(&format!("events accepted, {CONNECTIONS} waiting: "));
    let number = said.and_then(|(_, rest)| rest.split(' ').next());
    let number = number.with_context(|| format!("{} says {text}", example.display()))?;
    number.parse().context("a number")
}

/// Events accepted per second of a function that is busy and of one that handles them, and requests that a bare
/// server answers.
#[derive(Default)]
struct Accepts {
    waiting: Vec<f64>,
    handled: Vec<f64>,
    bare: Vec<f64>,
    /// Where the processor's time went while events only waited.
    spent: String,
}

fn accepts(scale: &Scale) -> anyhow::Result<Accepts> {
    // One is asleep when the server is stopped.
    let builder = Server::builder().expect_log("instances are ended while they run");
    let subject = Subject::start_with(builder, &["--queue-max-mb", "65536"]);
    let server = &subject.server;
    let handles = server.function("handles", HANDLER_OF_NOTHING);
    handles.memory(ONE_CORE).create();
    server.function("busy", SLEEPS).timeout(900).create();
    let one = json!({"ReservedConcurrentExecutions": 1});
    let limit = server.lambda("PUT", "/2017-10-31/functions/busy/concurrency");
    limit.json(&one).send().expect_status(200);
    let hyper = floor::Process::start(&["floor-hyper"])?;
    let body = format!("\"{}\"", "x".repeat(EVENT_BYTES - 2));
    let load = |to, request| Load {
        to,
        requests: Arc::new(vec![request]),
        connections: CONNECTIONS,
        count_max: usize::MAX,
        time_max: scale.round,
        pause: Duration::ZERO,
    };
    let ours = |name| {
        anyhow::Ok(load(
            subject.address()?,
            event(server, name, body.as_bytes()),
        ))
    };
    let (busy, handled) = (ours("busy")?, ours("handles")?);
    let plain = request("POST", "/accept", "localhost", &[], body.as_bytes());
    let bare = load(hyper.address, plain);
    let mut accepts = Accepts::default();
    let (before, mut waiting) = (subject.spent(), 0);
    for _ in 0..scale.rounds {
        accepts.bare.push(load::run(&bare)?.per_second());
        let answers = load::run(&busy)?;
        waiting += answers.latencies.len();
        accepts.waiting.push(answers.per_second());
    }
    accepts.spent = subject.spent().per_request(before, waiting);
    for _ in 0..scale.rounds {
        accepts.handled.push(load::run(&handled)?.per_second());
    }
    Ok(accepts)
}

/// From before an event is sent to the handler's first line.
fn starts(scale: &Scale) -> anyhow::Result<Vec<Duration>> {
    let starts = Starts::new()?;
    let subject = Subject::start(&["--file-system", &starts.setting()]);
    let server = &subject.server;
    starts.create_function(server, "starts", "event");
    server.invoke("starts", &json!([])).success();
    let clock = SystemClock::start();
    for _ in 0..scale.dry {
        let sent = clock.timestamp().as_millis();
        server
            .lambda("POST", "/2015-03-31/functions/starts/invocations")
            .header("x-amz-invocation-type", "Event")
            .body(json!([sent]).to_string())
            .send()
            .expect_status(202);
        std::thread::sleep(Duration::from_millis(10));
    }
    starts.wait_for(scale.dry, Duration::from_secs(10))
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
