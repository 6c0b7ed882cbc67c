//! Asynchronous invocation: accepted events run, come again, are told of, and survive `kill -9`.

use std::collections::BTreeMap;
use std::time::Duration;

use kiln_testkit::{Response, Server, programs, wait_for};
use serde_json::{Value, json};

use crate::client;

mod stops;

/// How long an outcome may take on a loaded machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Writes a line for every time it runs; fails when the event says so.
const LEDGER: &str = "import json\n\ndef handler(event, context):\n    \
    with open('/mnt/ledger/runs', 'a') as ledger:\n        \
    ledger.write(context.aws_request_id + ' ' + json.dumps(event) + '\\n')\n    \
    if isinstance(event, dict) and event.get('fail'):\n        raise ValueError(event['fail'])\n    \
    return 'done'\n";

/// What functions wrote down that ran.
pub(crate) struct Ledger(kiln_testkit::Ledger);

impl Ledger {
    pub(crate) fn new() -> Self {
        Self(kiln_testkit::Ledger::new())
    }

    pub(crate) fn setting(&self) -> String {
        self.0.setting()
    }

    /// Which request ran, with which event.
    pub(crate) fn runs(&self) -> Vec<(String, Value)> {
        let read = |line: String| {
            let (id, event) = line.split_once(' ')?;
            Some((id.to_owned(), serde_json::from_str(event).ok()?))
        };
        self.0.lines("runs").into_iter().filter_map(read).collect()
    }

    fn count(&self) -> BTreeMap<String, usize> {
        let mut count = BTreeMap::new();
        for (id, _) in self.runs() {
            *count.entry(id).or_default() += 1;
        }
        count
    }

    pub(crate) fn create(&self, server: &Server, name: &str) {
        self.0.create(server, name, LEDGER);
    }
}

fn try_send(server: &Server, name: &str, event: &Value) -> Response {
    server
        .lambda("POST", &format!("/2015-03-31/functions/{name}/invocations"))
        .header("x-amz-invocation-type", "Event")
        .body(event.to_string())
        .send()
}

/// Hands an event over; gives its request id.
fn send(server: &Server, name: &str, event: &Value) -> String {
    let accepted = try_send(server, name, event).expect_status(202);
    assert!(accepted.body.is_empty(), "{}", accepted.text());
    accepted.header("x-amzn-requestid").to_owned()
}

fn configure(server: &Server, name: &str, config: &Value) {
    let path = format!("/2019-09-25/functions/{name}/event-invoke-config");
    server
        .lambda("PUT", &path)
        .json(config)
        .send()
        .expect_status(200);
}

fn figures(server: &Server) -> Value {
    let status = server.request("GET", "/_kiln/status").signed("kiln");
    status.send().expect_status(200).json()["events"].clone()
}

fn assert_conserved(events: &Value) {
    let count = |name: &str| events[name].as_u64().unwrap();
    let ended = count("succeeded") + count("failed") + count("dropped");
    assert_eq!(
        count("received"),
        ended + count("deadLetters") + count("queued"),
        "{events}"
    );
}

/// Waits until nothing is in the queue; gives the server's figures.
pub(crate) fn until_empty(server: &Server) -> Value {
    wait_for("an empty queue", SOON, || {
        let events = figures(server);
        assert_conserved(&events);
        (events["queued"] == 0).then_some(events)
    })
}

pub(crate) fn dead_letters(server: &Server) -> Vec<Value> {
    let list = ["--output", "json", "events", "list"];
    let listed = programs::run(&mut server.kiln(&list)).stdout;
    serde_json::from_slice::<Value>(&listed)
        .unwrap()
        .as_array()
        .unwrap()
        .clone()
}

#[test]
fn boto3_hands_events_over_and_configures_how_they_are_handled() {
    let server = Server::start();
    client::python(&server, "boto3_events.py", &[]);
}

#[test]
fn an_accepted_event_runs_once() {
    let ledger = Ledger::new();
    let server = Server::builder()
        .args(&["--file-system", &ledger.setting()])
        .start();
    ledger.create(&server, "runs");
    let large = json!("x".repeat((1 << 20) - 2));
    let small = send(&server, "runs", &json!({"a": 1}));
    let large_id = send(&server, "runs", &large);
    let figures = until_empty(&server);
    assert_eq!(
        (&figures["received"], &figures["succeeded"]),
        (&json!(2), &json!(2))
    );
    let runs = ledger.runs();
    assert_eq!(runs.len(), 2);
    assert!(runs.contains(&(small, json!({"a": 1}))));
    assert!(runs.contains(&(large_id, large)));
    let too_large = json!("x".repeat((1 << 20) - 1));
    let refused = try_send(&server, "runs", &too_large).expect_status(413);
    assert_eq!(refused.error_type(), "RequestEntityTooLargeException");
}

#[test]
fn an_event_runs_the_version_or_alias_it_was_sent_to() {
    let server = Server::start();
    let source =
        "def handler(event, context):\n    print('ran as', context.invoked_function_arn)\n";
    server.function("versioned", source).create();
    let publish = "/2015-03-31/functions/versioned/versions";
    server
        .lambda("POST", publish)
        .json(&json!({}))
        .send()
        .expect_status(201);
    let alias = json!({"Name": "live", "FunctionVersion": "1"});
    let aliases = "/2015-03-31/functions/versioned/aliases";
    server
        .lambda("POST", aliases)
        .json(&alias)
        .send()
        .expect_status(201);
    send(&server, "versioned:live", &json!({}));
    server.log_until("/aws/lambda/versioned", ":versioned:live");
    let missing = try_send(&server, "versioned:absent", &json!({})).expect_status(404);
    assert_eq!(missing.error_type(), "ResourceNotFoundException");
}

#[test]
fn a_function_error_is_retried_and_then_told_to_the_destination() {
    let ledger = Ledger::new();
    let server = Server::builder()
        .args(&[
            "--file-system",
            &ledger.setting(),
            "--event-retry-secs",
            "1",
        ])
        .start();
    ledger.create(&server, "fails");
    ledger.create(&server, "told");
    let told = "arn:aws:lambda:us-east-1:000000000000:function:told";
    let config = json!({"DestinationConfig": {
        "OnFailure": {"Destination": told}, "OnSuccess": {"Destination": told},
    }});
    configure(&server, "fails", &config);
    let failed = send(&server, "fails", &json!({"fail": "broken"}));
    let records = |server: &Server| {
        until_empty(server);
        let runs = ledger.runs().into_iter();
        let records = runs.filter(|(_, event)| event["version"] == "1.0");
        records.map(|(_, record)| record).collect::<Vec<_>>()
    };
    let record = records(&server).remove(0);
    assert_eq!(ledger.count()[&failed], 3);
    assert_eq!(record["requestContext"]["requestId"], json!(failed));
    assert_eq!(record["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 3);
    assert_eq!(record["requestPayload"], json!({"fail": "broken"}));
    assert_eq!(record["responseContext"]["functionError"], "Unhandled");
    assert_eq!(record["responsePayload"]["errorMessage"], "broken");
    assert!(dead_letters(&server).is_empty());

    send(&server, "fails", &json!({}));
    let record = records(&server).pop().unwrap();
    assert_eq!(record["requestContext"]["condition"], "Success");
    assert_eq!(record["responsePayload"], "done");
}

#[test]
fn what_nobody_is_told_of_is_kept_shown_redriven_and_purged() {
    let ledger = Ledger::new();
    let server = Server::builder()
        .args(&["--file-system", &ledger.setting()])
        .start();
    ledger.create(&server, "fails");
    configure(&server, "fails", &json!({"MaximumRetryAttempts": 0}));
    let id = send(&server, "fails", &json!({"fail": "broken"}));
    until_empty(&server);
    let letters = dead_letters(&server);
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0]["requestId"], json!(id));
    assert_eq!(letters[0]["reason"], "RetriesExhausted");
    let shown = programs::run(&mut server.kiln(&["events", "show", &id])).stdout;
    let shown: Value = serde_json::from_slice(&shown).unwrap();
    assert_eq!(shown["payload"], json!({"fail": "broken"}));
    assert!(
        shown["error"].as_str().unwrap().contains("broken"),
        "{shown}"
    );

    programs::run(&mut server.kiln(&["events", "redrive", "--function", "fails"]));
    until_empty(&server);
    assert_eq!(ledger.count()[&id], 2, "it ran again under its own id");
    let purged = programs::run(&mut server.kiln(&["events", "purge", &id])).stdout;
    assert_eq!(
        String::from_utf8_lossy(&purged),
        "1 dead letter forgotten\n"
    );
    let figures = figures(&server);
    assert_conserved(&figures);
    assert_eq!(
        (&figures["dropped"], &figures["redriven"]),
        (&json!(1), &json!(1))
    );
}

#[test]
fn a_function_that_may_not_run_gives_its_events_up_at_once() {
    let server = Server::start();
    server
        .function("off", "def handler(e, c): return 1")
        .create();
    let path = "/2017-10-31/functions/off/concurrency";
    let none = json!({"ReservedConcurrentExecutions": 0});
    server
        .lambda("PUT", path)
        .json(&none)
        .send()
        .expect_status(200);
    send(&server, "off", &json!({}));
    until_empty(&server);
    assert_eq!(
        dead_letters(&server)[0]["reason"],
        "ZeroReservedConcurrency"
    );
}

#[test]
fn a_reservation_of_one_runs_all_events_one_after_another() {
    let ledger = Ledger::new();
    let server = Server::builder()
        .args(&["--file-system", &ledger.setting()])
        .start();
    ledger.create(&server, "narrow");
    let path = "/2017-10-31/functions/narrow/concurrency";
    let one = json!({"ReservedConcurrentExecutions": 1});
    server
        .lambda("PUT", path)
        .json(&one)
        .send()
        .expect_status(200);
    for number in 0..20 {
        send(&server, "narrow", &json!({"number": number}));
    }
    let figures = until_empty(&server);
    assert_eq!(
        (&figures["succeeded"], &figures["retried"]),
        (&json!(20), &json!(0))
    );
    assert_eq!(ledger.count().len(), 20);
}

#[test]
fn events_of_a_deleted_function_are_kept() {
    let server = Server::builder().args(&["--event-retry-secs", "1"]).start();
    server
        .function("gone", "def handler(e, c): raise ValueError('no')")
        .create();
    send(&server, "gone", &json!({}));
    wait_for("its first failure", SOON, || {
        (figures(&server)["retried"] == 1).then_some(())
    });
    server
        .lambda("DELETE", "/2015-03-31/functions/gone")
        .send()
        .expect_status(200);
    until_empty(&server);
    assert_eq!(dead_letters(&server)[0]["reason"], "FunctionNotFound");
}

#[test]
fn two_functions_that_are_each_others_destination_are_stopped() {
    let ledger = Ledger::new();
    let server = Server::builder()
        .args(&["--file-system", &ledger.setting()])
        .start();
    for name in ["ping", "pong"] {
        ledger.create(&server, name);
    }
    for (name, other) in [("ping", "pong"), ("pong", "ping")] {
        let other = format!("arn:aws:lambda:us-east-1:000000000000:function:{other}");
        configure(
            &server,
            name,
            &json!({"DestinationConfig": {"OnSuccess": {"Destination": other}}}),
        );
    }
    send(&server, "ping", &json!({}));
    until_empty(&server);
    assert_eq!(ledger.runs().len(), 32, "each sixteen times");
    assert_eq!(dead_letters(&server)[0]["reason"], "RecursiveInvocation");
    // A caller who waits is told, unless the function allows it.
    let invoke = || {
        let path = "/2015-03-31/functions/pong/invocations";
        let request = server.lambda("POST", path).body("{}");
        request
            .header("x-amzn-trace-id", &lineage("pong", 16))
            .send()
    };
    let stopped = invoke().expect_status(400);
    assert_eq!(stopped.error_type(), "RecursiveInvocationException");
    let allow = json!({"RecursiveLoop": "Allow"});
    let path = "/2024-08-31/functions/pong/recursion-config";
    server
        .lambda("PUT", path)
        .json(&allow)
        .send()
        .expect_status(200);
    invoke().expect_status(200);
}

/// A header that has been in a function so often.
fn lineage(name: &str, times: u32) -> String {
    let function = kiln_types::FunctionId {
        account: Default::default(),
        name: name.parse().unwrap(),
    };
    let mut trace = kiln_types::Trace::read("Root=1-5759e988-bd862e3fe1be46a994272793");
    for _ in 0..times {
        trace.enter(&function);
    }
    trace.to_string()
}

#[test]
fn a_full_queue_refuses_and_what_it_accepted_stays() {
    let server = Server::builder().args(&["--queue-max-mb", "1"]).start();
    server
        .function("off", "def handler(e, c): return 1")
        .create();
    let path = "/2017-10-31/functions/off/concurrency";
    let none = json!({"ReservedConcurrentExecutions": 0});
    server
        .lambda("PUT", path)
        .json(&none)
        .send()
        .expect_status(200);
    let half = json!("x".repeat(400_000));
    send(&server, "off", &half);
    send(&server, "off", &half);
    let refused = try_send(&server, "off", &half).expect_status(500);
    assert_eq!(refused.error_type(), "ServiceException");
    assert!(
        refused.message().contains("--queue-max-mb"),
        "{}",
        refused.message()
    );
    until_empty(&server);
    assert_eq!(dead_letters(&server).len(), 2);
    programs::run(&mut server.kiln(&["events", "purge", "--all"]));
    send(&server, "off", &half);
}
