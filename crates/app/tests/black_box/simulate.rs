//! `kiln simulate` and `kiln size`, which need no server, and `kiln size` with one.

use std::process::{Command, Output};
use std::time::Duration;

use kiln_testkit::{Server, programs, wait_for};
use serde_json::{Value, json};

fn kiln(args: &[&str]) -> Output {
    Command::new(programs::kiln())
        .args(args)
        .env_clear()
        .output()
        .unwrap()
}

fn document(args: &[&str]) -> Value {
    let output = kiln(&[args, &["--output", "json"]].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// An example in this repository.
fn example(name: &str) -> String {
    let folder = programs::repository().join("examples/traces");
    folder.join(name).to_str().unwrap().to_owned()
}

fn policy<'a>(document: &'a Value, name: &str) -> &'a Value {
    let policies = document["policies"].as_array().unwrap();
    policies.iter().find(|one| one["policy"] == name).unwrap()
}

#[test]
fn policies_are_compared_on_a_made_up_trace_and_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let picture = dir.path().join("day.svg");
    let words = [
        "simulate",
        "--invocations",
        "20000",
        "--seed",
        "3",
        "--picture",
    ];
    let args = [&words[..], &[picture.to_str().unwrap()]].concat();
    let output = kiln(&args);
    let (table, said) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    for part in [
        "fixed",
        "greedy-dual",
        "histogram",
        "adaptive",
        "cold starts",
        "throttled",
    ] {
        assert!(table.contains(part), "{part} is missing in\n{table}");
    }
    assert!(said.contains("seed 3"), "{said}");
    let svg = std::fs::read_to_string(&picture).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("adaptive"));
}

#[test]
fn same_seed_gives_the_same_numbers() {
    let run = |seed| {
        let args = ["simulate", "--invocations", "5000", "--seed", seed];
        document(&args)["policies"].clone()
    };
    assert_eq!(run("7"), run("7"));
    assert_ne!(run("7"), run("8"));
}

#[test]
fn lines_of_invocations_are_a_trace() {
    let document = document(&["simulate", &example("timer.csv")]);
    assert_eq!(document["trace"]["functions"], 2);
    let (fixed, histogram) = (policy(&document, "fixed"), policy(&document, "histogram"));
    assert!(
        histogram["coldStarts"].as_u64() < fixed["coldStarts"].as_u64(),
        "a timer is foretold: {document}"
    );
    assert_eq!(fixed["startedAhead"], 0);
    assert!(
        histogram["startedAheadUsed"].as_u64() > Some(10),
        "{document}"
    );
}

#[test]
fn day_of_the_azure_data_set_is_a_trace() {
    let document = document(&["simulate", &example("day_inv.csv")]);
    assert_eq!(document["trace"]["functions"], 3);
    assert_eq!(document["trace"]["spanSeconds"], 3_600.0);
    assert_eq!(
        policy(&document, "adaptive")["invocations"],
        document["trace"]["invocations"]
    );
}

#[test]
fn limits_throttle_with_awss_reasons() {
    let throttled = |limits: &[&str]| {
        let words = ["simulate", "--shape", "bursty", "--invocations", "20000"];
        policy(&document(&[&words, limits].concat()), "fixed")["throttled"].clone()
    };
    let reasons = throttled(&["--concurrency", "1"]);
    assert!(
        reasons["ConcurrentInvocationLimitExceeded"].as_u64() > Some(0),
        "{reasons}"
    );
    let reasons = throttled(&["--burst-starts", "1", "--starts-per-second", "1"]);
    assert!(
        reasons["FunctionInvocationRateLimitExceeded"].as_u64() > Some(0),
        "{reasons}"
    );
}

#[test]
fn what_is_no_trace_is_refused_with_what_would_be() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wrong.csv");
    std::fs::write(&path, "a,b\n1,2\n").unwrap();
    let output = kiln(&["simulate", path.to_str().unwrap()]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("timestamp, function, duration"), "{said}");
    let output = kiln(&["simulate", "/nowhere/trace.csv"]);
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("/nowhere/trace.csv")
    );
}

#[test]
fn instances_for_a_load_are_those_of_the_tables() {
    let document = document(&["size", "--rate", "1000", "--duration-ms", "50"]);
    assert_eq!(document["load"], 50.0);
    assert_eq!(document["forWaiting"]["instances"], 64);
    assert_eq!(document["forThrottled"]["instances"], 64);
    let output = kiln(&["size"]);
    assert!(String::from_utf8(output.stderr).unwrap().contains("--rate"));
}

#[test]
fn observed_load_of_a_function_is_sized_beside_what_was_seen() {
    let server = Server::start();
    server
        .function("calm", "def handler(e, c):\n    return 1\n")
        .create();
    for _ in 0..5 {
        server.invoke("calm", &json!({})).success();
    }
    let seen = wait_for("usage of 5 invocations", Duration::from_secs(10), || {
        // Before the first is written there is nothing to size.
        let output = server.kiln(&["size", "calm", "--output", "json"]).output();
        let document: Value = serde_json::from_slice(&output.unwrap().stdout).ok()?;
        (document["observed"]["invocations"] == 5).then_some(document)
    });
    assert_eq!(seen["observed"]["coldStarts"], 1, "{seen}");
    assert_eq!(seen["forThrottled"]["instances"], 1, "{seen}");
    let table = programs::run(&mut server.kiln(&["size", "calm"])).stdout;
    let table = String::from_utf8(table).unwrap();
    assert!(table.contains("reserved concurrency"), "{table}");
}
