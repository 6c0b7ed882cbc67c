//! What a stream of a real NATS server keeps reaches functions, whatever ends meanwhile; what is only published does
//! while somebody listens.

use kiln_testkit::{Nats, Server, programs, wait_for};
use serde_json::{Value, json};

use super::{Place, SOON, delete, map, mapping, secret, until_result};
use crate::{client, queues};

/// A server, and where things are.
struct Rig {
    nats: Nats,
    place: Place,
}

impl Rig {
    /// With a stream that keeps `orders.>`.
    fn new() -> Self {
        let nats = Nats::start();
        nats.make_stream("ORDERS", &["orders.>"]);
        let place = Place::new();
        nats.write_secret(place.secrets.path(), "shop");
        Self { nats, place }
    }

    /// The stream as an event source has it.
    fn stream(&self) -> String {
        format!("{}/ORDERS", self.nats.endpoint())
    }

    /// A mapping of the stream, listening.
    fn map(&self, server: &Server, function: &str, more: &Value) -> String {
        let document = json!({
            "FunctionName": function,
            "SelfManagedEventSource": {"Endpoints": {"NATS_JETSTREAM": [self.stream()]}},
            "Topics": ["orders.>"],
            "SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": secret("shop")}],
        });
        map(server, document, more)
    }

    /// What functions saw, in order.
    fn seen(&self) -> Vec<Value> {
        self.place.records("nats")
    }

    /// The numbers that functions saw of a subject, each where it was seen first.
    fn numbers(&self, subject: &str) -> Vec<u64> {
        let mut numbers = Vec::new();
        for message in self.seen() {
            let number = message["json"].as_u64().unwrap();
            if message["subject"] == subject && !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        numbers
    }

    fn until_seen(&self, count: usize) {
        wait_for(&format!("{count} records"), SOON, || {
            (self.seen().len() >= count).then_some(())
        });
    }

    /// Adds numbers to each of so many subjects.
    fn add(&self, subjects: u32, from: u32, to: u32) {
        let numbers: Vec<String> = (from..=to).map(|number| number.to_string()).collect();
        let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
        for subject in 1..=subjects {
            self.nats.store(&format!("orders.{subject}"), &numbers);
        }
    }
}

#[test]
fn boto3_makes_changes_pauses_and_deletes_mappings_of_nats() {
    let rig = Rig::new();
    let server = rig.place.server().start();
    rig.place.ledger.create(&server, "audit");
    let endpoint = rig.nats.endpoint();
    let arguments = [&*endpoint, "NATS", "shop.*"];
    client::python(&server, "boto3_event_sources.py", &arguments);
    assert!(!server.home().log().contains(Nats::PASSWORD));
}

#[test]
fn no_message_is_lost_or_out_of_order_whoever_is_killed() {
    const SUBJECTS: u32 = 5;
    let mut rig = Rig::new();
    let server = rig.place.server().start();
    rig.place.ledger.create(&server, "audit");
    let settings = json!({"BatchSize": 7, "ParallelizationFactor": 3});
    let uuid = rig.map(&server, "audit", &settings);
    rig.add(SUBJECTS, 1, 40);
    rig.until_seen(30);
    let home = server.kill9();
    // Nobody listens.
    rig.add(SUBJECTS, 41, 80);
    let server = rig
        .place
        .server()
        .home(home)
        .expect_log("an event source cannot be listened to")
        .start();
    rig.until_seen(250);
    rig.nats.crash();
    until_result(&server, &uuid, "PROBLEM: ");
    rig.nats.start_again();
    rig.add(SUBJECTS, 81, 100);
    let all: Vec<u64> = (1..=100).collect();
    let subjects: Vec<String> = (1..=SUBJECTS)
        .map(|name| format!("orders.{name}"))
        .collect();
    wait_for("all messages", SOON, || {
        let counts = subjects.iter().map(|subject| rig.numbers(subject).len());
        (counts.sum::<usize>() == subjects.len() * all.len()).then_some(())
    });
    for subject in &subjects {
        assert_eq!(rig.numbers(subject), all, "each of {subject}, in order");
    }
    until_result(&server, &uuid, "OK");
    let consumer = format!("kiln_{}", uuid.replace('-', ""));
    wait_for("all to be acknowledged", SOON, || {
        let what = format!("CONSUMER.INFO.ORDERS.{consumer}");
        let info = rig.nats.ask(&what, &json!({}));
        (info["num_ack_pending"] == 0 && info["num_pending"] == 0).then_some(())
    });
    delete(&server, &uuid);
    assert!(rig.nats.consumers("ORDERS").is_empty());
    let info = rig.nats.ask("STREAM.INFO.ORDERS", &json!({}));
    assert_eq!(info["state"]["messages"], 500);
}

#[test]
fn a_poisoned_message_goes_to_a_queue_and_filters_see_its_json() {
    let rig = Rig::new();
    let server = rig.place.server().start();
    let source = "def handler(event, context):\n    \
                  bad = [r for r in event['Records'] if r['nats']['json']['n'] == 33]\n    \
                  return {'batchItemFailures': [{'itemIdentifier': r['dynamodb']['SequenceNumber']} for r in bad]}\n";
    server.function("picky", source).create();
    let url = queues::make(&server, "told");
    let more = json!({
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BisectBatchOnFunctionError": true, "MaximumRetryAttempts": 1,
        "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:000000000000:told"}},
        "FilterCriteria": {"Filters": [{"Pattern": r#"{"nats":{"json":{"n":[{"numeric":["<",40]}]}}}"#}]},
    });
    let uuid = rig.map(&server, "picky", &more);
    let messages: Vec<String> = (1..=60).map(|n| format!("{{\"n\": {n}}}")).collect();
    let mut messages: Vec<&str> = messages.iter().map(String::as_str).collect();
    // The function would fail on what has no such member.
    messages.insert(0, "no JSON");
    rig.nats.store("orders.new", &messages);
    let body = wait_for("the record of what is given up", SOON, || {
        queues::take_all(&server, &url).pop()
    });
    let record: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(record["KilnBatchInfo"]["batchSize"], 1);
    let payload = match &record["payload"] {
        Value::String(text) => serde_json::from_str(text).unwrap(),
        payload => payload.clone(),
    };
    assert_eq!(payload["Records"][0]["nats"]["json"], json!({"n": 33}));
    until_result(&server, &uuid, "OK");
}

#[test]
fn the_command_line_has_functions_hear_of_streams_and_of_subjects() {
    let rig = Rig::new();
    rig.add(1, 1, 2);
    let server = rig.place.server().start();
    rig.place.ledger.create(&server, "audit");
    let kiln = |args: &[&str]| {
        let output = programs::run(&mut server.kiln(args));
        String::from_utf8(output.stdout).unwrap()
    };
    let add = |endpoint: &str, more: &[&str]| {
        let add = ["triggers", "add", "audit", endpoint, "--secret", "shop"];
        kiln(&[&add[..], more].concat()).trim().to_owned()
    };
    let stream = add(&rig.stream(), &["--subject", "orders.*", "--from-start"]);
    rig.until_seen(2);
    assert_eq!(kiln(&["triggers", "pause", &stream]), "Disabled\n");
    let more = ["--subject", "shop.>", "--queue-group", "workers"];
    let published = add(&rig.nats.endpoint(), &more);
    rig.nats.publish("shop.open", &["7"]);
    rig.until_seen(3);
    let last = rig.seen().pop().unwrap();
    assert_eq!(
        last,
        json!({"subject": "shop.open", "data": "Nw==", "text": "7", "json": 7})
    );
    let found = mapping(&server, &published).unwrap();
    let endpoints = &found["SelfManagedEventSource"]["Endpoints"];
    assert_eq!(endpoints, &json!({"NATS": [rig.nats.endpoint()]}));
    assert_eq!(found["Queues"], json!(["workers"]));
    kiln(&["triggers", "delete", &published]);
    kiln(&["triggers", "delete", &stream]);
    assert!(rig.nats.consumers("ORDERS").is_empty());
}
