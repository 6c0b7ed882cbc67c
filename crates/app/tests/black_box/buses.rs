//! Event buses: what is put on one reaches who wants it, once it was answered for whatever happens.

use std::time::Duration;

use kiln_testkit::{Server, wait_for};
use serde_json::{Value, json};

use crate::client;
use crate::events::{Ledger, SOON, until_empty};

/// Calls an operation of EventBridge.
fn call(server: &Server, operation: &str, body: &Value) -> Value {
    let target = format!("AWSEvents.{operation}");
    let request = server.request("POST", "/").signed("events");
    let request = request.header("x-amz-target", &target);
    let request = request.header("content-type", "application/x-amz-json-1.1");
    let answer = request.json(body).send().expect_status(200);
    match answer.body.is_empty() {
        true => Value::Null,
        false => answer.json(),
    }
}

fn function(name: &str) -> String {
    format!("arn:aws:lambda:us-east-1:000000000000:function:{name}")
}

/// A rule that wants everything of a source, and its targets.
fn rule(server: &Server, bus: &str, name: &str, source: &str, targets: Value) {
    let pattern = json!({"source": [source]}).to_string();
    let rule = json!({"Name": name, "EventBusName": bus, "EventPattern": pattern});
    call(server, "PutRule", &rule);
    let targets = json!({"Rule": name, "EventBusName": bus, "Targets": targets});
    let put = call(server, "PutTargets", &targets);
    assert_eq!(put["FailedEntryCount"], 0, "{put}");
}

fn put(server: &Server, bus: &str, source: &str, detail: &Value) -> String {
    let entry = json!({
        "EventBusName": bus, "Source": source, "DetailType": "happened", "Detail": detail.to_string(),
    });
    let answer = call(server, "PutEvents", &json!({"Entries": [entry]}));
    assert_eq!(answer["FailedEntryCount"], 0, "{answer}");
    answer["Entries"][0]["EventId"].as_str().unwrap().to_owned()
}

fn with_ledger(ledger: &Ledger) -> Server {
    Server::builder()
        .args(&["--file-system", &ledger.setting()])
        .start()
}

#[test]
fn boto3_makes_buses_rules_and_targets_and_puts_events() {
    let server = Server::start();
    client::python(&server, "boto3_buses.py", &[]);
}

#[test]
fn an_event_reaches_the_functions_that_want_it_each_in_its_own_shape() {
    let ledger = Ledger::new();
    let server = with_ledger(&ledger);
    ledger.create(&server, "runs");
    let arn = function("runs");
    let transformer = json!({
        "InputPathsMap": {"n": "$.detail.n"},
        "InputTemplate": r#"{"made": <n>, "by": "<aws.events.rule-name>"}"#,
    });
    let targets = json!([
        {"Id": "whole", "Arn": arn},
        {"Id": "part", "Arn": arn, "InputPath": "$.detail"},
        {"Id": "constant", "Arn": arn, "Input": "\"constant\""},
        {"Id": "made", "Arn": arn, "InputTransformer": transformer},
    ]);
    rule(&server, "default", "all", "shop", targets);
    rule(
        &server,
        "default",
        "off",
        "shop",
        json!([{"Id": "1", "Arn": arn}]),
    );
    call(&server, "DisableRule", &json!({"Name": "off"}));
    put(&server, "default", "elsewhere", &json!({"n": 0}));
    let id = put(&server, "default", "shop", &json!({"n": 1}));
    until_empty(&server);
    let mut events: Vec<Value> = ledger.runs().into_iter().map(|(_, event)| event).collect();
    let whole = events.iter().position(|event| event["id"] == json!(id));
    let whole = events.remove(whole.expect("the whole event"));
    assert_eq!(whole["detail"], json!({"n": 1}));
    assert_eq!(
        (&whole["source"], &whole["detail-type"]),
        (&json!("shop"), &json!("happened"))
    );
    events.sort_by_key(Value::to_string);
    assert_eq!(
        events,
        [
            json!("constant"),
            json!({"by": "all", "made": 1}),
            json!({"n": 1})
        ]
    );
}

#[test]
fn an_event_goes_from_bus_to_bus_and_to_many() {
    let ledger = Ledger::new();
    let server = with_ledger(&ledger);
    ledger.create(&server, "runs");
    call(&server, "CreateEventBus", &json!({"Name": "audit"}));
    let audit = "arn:aws:events:us-east-1:000000000000:event-bus/audit";
    rule(
        &server,
        "default",
        "on",
        "shop",
        json!([{"Id": "audit", "Arn": audit}]),
    );
    for number in 0..10 {
        let target = |id: &str| json!({"Id": id, "Arn": function("runs"), "InputPath": "$.detail"});
        let targets = json!(["1", "2", "3", "4", "5"].map(target));
        rule(&server, "audit", &format!("rule-{number}"), "shop", targets);
    }
    put(&server, "default", "shop", &json!({"n": 1}));
    until_empty(&server);
    let runs = ledger.runs();
    assert_eq!(runs.len(), 50);
    assert!(runs.iter().all(|(_, event)| *event == json!({"n": 1})));
}

#[test]
fn what_was_answered_reaches_its_targets_though_the_server_is_killed() {
    let ledger = Ledger::new();
    let server = with_ledger(&ledger);
    ledger.create(&server, "runs");
    let target = |id: &str| json!({"Id": id, "Arn": function("runs"), "InputPath": "$.detail"});
    rule(
        &server,
        "default",
        "all",
        "shop",
        json!(["1", "2"].map(target)),
    );
    for number in 0..20 {
        put(&server, "default", "shop", &json!({"n": number}));
    }
    let home = server.kill9();
    let server = Server::builder()
        .home(home)
        .args(&["--file-system", &ledger.setting()])
        .start();
    let numbers = || {
        let runs = ledger.runs().into_iter();
        let mut numbers: Vec<i64> = runs.filter_map(|(_, it)| it["n"].as_i64()).collect();
        numbers.sort_unstable();
        numbers
    };
    // Each to both targets; what ran when the server was killed may have run again.
    wait_for("all events, twice", SOON, || {
        let numbers = numbers();
        let twice = |n: &i64| numbers.iter().filter(|it| *it == n).count() >= 2;
        (0..20).all(|n| twice(&n)).then_some(())
    });
    until_empty(&server);
    // The rule is there as it was.
    put(&server, "default", "shop", &json!({"n": 20}));
    until_empty(&server);
    let last: Vec<i64> = numbers().into_iter().filter(|n| *n == 20).collect();
    assert_eq!(last, [20, 20]);
}

#[test]
fn what_has_nowhere_to_go_is_logged() {
    let server = Server::builder()
        .expect_log("an event could not be delivered and no dead-letter queue takes it")
        .start();
    let gone = json!([{"Id": "1", "Arn": function("gone")}]);
    rule(&server, "default", "all", "shop", gone);
    put(&server, "default", "shop", &json!({}));
}

#[test]
fn a_rule_runs_by_its_schedule_whatever_happens_before() {
    let ledger = Ledger::new();
    let server = with_ledger(&ledger);
    ledger.create(&server, "audit");
    let rule = json!({"Name": "often", "ScheduleExpression": "rate(1 minute)"});
    let arn = call(&server, "PutRule", &rule)["RuleArn"].clone();
    let targets = json!({"Rule": "often", "Targets": [
        {"Id": "whole", "Arn": function("audit")},
        {"Id": "constant", "Arn": function("audit"), "Input": "{\"by\": \"rule\"}"},
    ]});
    call(&server, "PutTargets", &targets);
    let shown = call(&server, "DescribeRule", &json!({"Name": "often"}));
    assert_eq!(shown["ScheduleExpression"], "rate(1 minute)");
    let home = server.kill9();
    let args = ["--file-system", &ledger.setting()];
    let server = Server::builder().home(home).args(&args).start();
    let events = wait_for("the rule to run", Duration::from_secs(90), || {
        let runs = ledger.runs();
        (runs.len() == 2).then(|| runs.into_iter().map(|(_, event)| event))
    });
    let (constant, whole): (Vec<_>, Vec<_>) = events.partition(|event| event["by"] == "rule");
    assert_eq!(constant.len(), 1);
    assert_eq!(whole[0]["detail-type"], "Scheduled Event");
    assert_eq!(whole[0]["resources"], json!([arn]));
    let ids = json!({"Rule": "often", "Ids": ["whole", "constant"]});
    call(&server, "RemoveTargets", &ids);
    call(&server, "DeleteRule", &json!({"Name": "often"}));
}
