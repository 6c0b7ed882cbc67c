//! Usage: every invocation counted once, in the same milliseconds as its REPORT line.

use std::time::Duration;

use kiln_testkit::{Server, programs, wait_for};
use serde_json::{Value, json};

fn usage(server: &Server, name: &str) -> Option<Value> {
    let output = programs::run(&mut server.kiln(&["usage", "--output", "json"]));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let functions = document["functions"].as_array().unwrap();
    functions
        .iter()
        .find(|function| function["functionName"] == name)
        .cloned()
}

fn billed(log: &str) -> u64 {
    let rest = log
        .split_once("Billed Duration: ")
        .unwrap_or_else(|| panic!("{log}"))
        .1;
    rest.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn every_invocation_is_counted_and_priced() {
    let server = Server::start();
    let source = "import time\n\ndef handler(event, context):\n    time.sleep(event.get('sleep', 0))\n    \
                  return 1 / event.get('by', 1)\n";
    server
        .function("counted", source)
        .memory(512)
        .timeout(1)
        .create();
    let events = [
        json!({}),
        json!({"sleep": 0.05}),
        json!({"by": 0}),
        json!({"sleep": 5}),
        json!({}),
    ];
    let billed: u64 = events
        .iter()
        .map(|event| billed(&server.invoke("counted", event).log))
        .sum();
    let counted = wait_for("usage of 5 invocations", Duration::from_secs(10), || {
        usage(&server, "counted").filter(|counted| counted["invocations"] == 5)
    });
    assert_eq!(counted["errors"], 2, "{counted}");
    // The first, and the one after the timeout discarded its instance.
    assert_eq!(counted["coldStarts"], 2, "{counted}");
    assert_eq!(counted["billedMs"], billed, "{counted}");
    let gb_seconds = counted["gbSeconds"].as_f64().unwrap();
    let expected = billed as f64 / 1_000.0 * 0.5;
    assert!(
        (gb_seconds - expected).abs() < 1e-6,
        "{gb_seconds} {expected}"
    );
    let cost = match &counted["costUsd"] {
        Value::String(text) => text.parse::<f64>().unwrap(),
        number => number.as_f64().unwrap(),
    };
    let expected = 5.0 * 0.20 / 1e6 + expected * 0.000_016_666_7;
    assert!((cost - expected).abs() < 1e-9, "{cost} {expected}");
    assert!(
        counted["memoryPeakBytes"].as_u64().unwrap() > 1 << 20,
        "{counted}"
    );
}

#[test]
fn usage_survives_a_restart_and_a_crash() {
    let server = Server::start();
    server
        .function("kept", "def handler(e, c):\n    return 1\n")
        .create();
    for _ in 0..3 {
        server.invoke("kept", &json!({}));
    }
    let server = Server::builder().home(server.stop()).start();
    assert_eq!(usage(&server, "kept").unwrap()["invocations"], 3);
    server.invoke("kept", &json!({}));
    wait_for("the fourth", Duration::from_secs(10), || {
        usage(&server, "kept").filter(|counted| counted["invocations"] == 4)
    });
    let server = Server::builder().home(server.kill9()).start();
    assert_eq!(usage(&server, "kept").unwrap()["invocations"], 4);
}

#[test]
fn a_refused_invocation_costs_nothing() {
    let server = Server::start();
    server
        .function("off", "def handler(e, c):\n    return 1\n")
        .create();
    server.invoke("off", &json!({}));
    let path = "/2017-10-31/functions/off/concurrency";
    server
        .lambda("PUT", path)
        .json(&json!({"ReservedConcurrentExecutions": 0}))
        .send()
        .expect_status(200);
    server
        .lambda("POST", "/2015-03-31/functions/off/invocations")
        .body("{}")
        .send()
        .expect_status(429);
    let counted = wait_for("usage", Duration::from_secs(10), || usage(&server, "off"));
    assert_eq!(counted["invocations"], 1, "{counted}");
}

#[test]
fn status_counts_what_runs_and_what_was_lost() {
    let server = Server::start();
    server
        .function("counted", "def handler(event, context):\n    return 1\n")
        .create();
    server.invoke("counted", &json!({})).success();
    let output = programs::run(&mut server.kiln(&["status", "--output", "json"]));
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["requests"]["granted"], 1, "{status}");
    assert_eq!(status["instances"]["started"], 1, "{status}");
    assert_eq!(status["memory"]["promisedBytes"], 128 << 20, "{status}");
    assert!(status["sandboxes"]["live"].as_u64() >= Some(1), "{status}");
    for kind in ["logs", "usage"] {
        assert_eq!(status[kind]["dropped"], 0, "{status}");
    }
    let table = programs::run(&mut server.kiln(&["status"]));
    let table = String::from_utf8_lossy(&table.stdout);
    assert!(table.contains("logs dropped"), "{table}");
}
