//! Provisioned concurrency: instances of a version that are kept ready.

use std::collections::BTreeSet;
use std::time::Duration;

use kiln_testkit::{Response, Server, programs, wait_for};
use serde_json::{Value, json};

use crate::client;

/// Says which instance it is and how that was initialised; waits if it is asked to.
const SOURCE: &str = "
import os, time, uuid
me = str(uuid.uuid4())
def handler(event, context):
    time.sleep(event.get('wait', 0))
    return [me, os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']]
";

fn published(server: &Server, source: &str) {
    server.function("ready", source).memory(128).create();
    let path = "/2015-03-31/functions/ready/versions";
    server.lambda("POST", path).json(&json!({})).send().json();
}

fn config(server: &Server, method: &str, body: Option<Value>) -> Response {
    let path = "/2019-09-30/functions/ready/provisioned-concurrency?Qualifier=1";
    let request = server.lambda(method, path);
    match body {
        Some(body) => request.json(&body).send(),
        None => request.send(),
    }
}

fn put(server: &Server, count: u32) -> Value {
    let body = json!({"ProvisionedConcurrentExecutions": count});
    config(server, "PUT", Some(body)).expect_status(202).json()
}

fn wait_until(server: &Server, status: &str) -> Value {
    wait_for(status, Duration::from_secs(30), || {
        let state = config(server, "GET", None).expect_status(200).json();
        (state["Status"] == status).then_some(state)
    })
}

#[test]
fn boto3_sees_instances_become_ready() {
    let server = Server::start();
    published(&server, SOURCE);
    client::python(&server, "boto3_provisioned.py", &[]);
}

#[test]
fn invocations_use_instances_that_are_ready_and_spill_over() {
    let server = Server::start();
    published(&server, SOURCE);
    assert_eq!(put(&server, 2)["Status"], "IN_PROGRESS");
    let state = wait_until(&server, "READY");
    assert_eq!(state["AvailableProvisionedConcurrentExecutions"], 2);
    let first = server.invoke("ready:1", &json!({}));
    let tail = first.success();
    assert_eq!(tail[1], "provisioned-concurrency");
    // Three at once: two of them find an instance ready.
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let call = || scope.spawn(|| server.invoke("ready:1", &json!({"wait": 0.5})).success());
        let calls = [call(), call(), call()];
        calls.map(|call| call.join().unwrap()).into()
    });
    let instances: BTreeSet<String> = answers.iter().map(|one| one[0].to_string()).collect();
    assert_eq!(instances.len(), 3, "{answers:?}");
    let mut kinds: Vec<&Value> = answers.iter().map(|one| &one[1]).collect();
    kinds.sort_by_key(|kind| kind.to_string());
    assert_eq!(kinds[0], "on-demand");
    assert_eq!(kinds[1], "provisioned-concurrency");
    assert_eq!(kinds[2], "provisioned-concurrency");
    let status = server.kiln(&["status", "--output", "json"]).output();
    let status: Value = serde_json::from_slice(&status.unwrap().stdout).unwrap();
    assert_eq!(status["requests"]["spilled"], 1);
}

#[test]
fn instances_are_ready_again_after_a_restart_and_after_a_crash_of_their_own() {
    let source = format!(
        "{SOURCE}\ndef handler(event, context, handler=handler):\n    if event.get('die'):\n        os._exit(1)\n    return handler(event, context)\n"
    );
    let server = Server::start();
    published(&server, &source);
    put(&server, 1);
    wait_until(&server, "READY");
    let before = server.invoke("ready:1", &json!({})).success();
    server.invoke("ready:1", &json!({"die": true})).failure();
    wait_until(&server, "READY");
    let after = server.invoke("ready:1", &json!({})).success();
    assert_eq!(after[1], "provisioned-concurrency");
    assert_ne!(before[0], after[0]);
    let server = Server::builder().home(server.kill9()).start();
    wait_until(&server, "READY");
    let again = server.invoke("ready:1", &json!({})).success();
    assert_eq!(again[1], "provisioned-concurrency");
}

#[test]
fn what_is_kept_ready_is_a_part_of_usage_once() {
    let server = Server::start();
    published(&server, SOURCE);
    put(&server, 2);
    wait_until(&server, "READY");
    server.invoke("ready:1", &json!({"wait": 1})).success();
    // What is kept ready is written down when the server stops.
    let server = Server::builder().home(server.stop()).start();
    let server = Server::builder().home(server.kill9()).start();
    let (kept, invoked, cost) = {
        let output = programs::run(&mut server.kiln(&["usage", "--output", "json"]));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let number = |name: &str| {
            let member = &document["functions"][0][name];
            let text = member.as_str().map(str::to_owned);
            text.unwrap_or_else(|| member.to_string())
                .parse::<f64>()
                .unwrap()
        };
        (
            number("provisionedGbSeconds"),
            number("gbSeconds"),
            number("costUsd"),
        )
    };
    // Two of 128 MB, for a second at the least.
    assert!((0.25..0.25 * 60.0).contains(&kept), "{kept}");
    let (request, kept_price, invoked_price) = (0.2e-6, 4.1667e-6, 9.7222e-6);
    let expected = request + kept * kept_price + invoked * invoked_price;
    assert!((cost - expected).abs() < 1e-11, "{cost} {expected}");
}

#[test]
fn an_init_that_fails_is_told() {
    let server = Server::start();
    published(&server, "raise Exception('no')\ndef handler(e, c): pass\n");
    put(&server, 1);
    let state = wait_until(&server, "FAILED");
    assert_eq!(state["StatusReason"], "FUNCTION_ERROR_INIT_FAILURE");
    config(&server, "DELETE", None).expect_status(204);
    let none = config(&server, "GET", None).expect_status(404);
    assert_eq!(
        none.message(),
        "No Provisioned Concurrency Config found for this function"
    );
}

#[test]
fn the_command_line_waits_until_they_are_ready() {
    let server = Server::start();
    published(&server, SOURCE);
    let kiln = |args: &[&str]| {
        let output = server.kiln(args).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), text)
    };
    let ready = (Some(0), "1 of 1 instances are ready (READY)\n".to_owned());
    assert_eq!(kiln(&["provision", "ready:1", "1"]), ready);
    assert_eq!(kiln(&["provision", "ready:1"]), ready);
    let none = (Some(0), "no instances are kept ready\n".to_owned());
    assert_eq!(kiln(&["provision", "ready:1", "0"]), none);
    assert_eq!(kiln(&["provision", "ready:1"]), none);
    assert_eq!(kiln(&["provision", "ready", "1"]).0, Some(2));
}
