//! What is published to topics of a real broker reaches functions, whatever ends meanwhile.

use kiln_testkit::{Mqtt, Server, programs, wait_for};
use serde_json::{Value, json};

use super::{Place, SOON, delete, map, mapping, secret, until_result};
use crate::{client, queues};

/// A broker, and where things are.
struct Rig {
    mqtt: Mqtt,
    place: Place,
}

impl Rig {
    fn new() -> Self {
        let mqtt = Mqtt::start();
        let place = Place::new();
        mqtt.write_secret(place.secrets.path(), "shop");
        Self { mqtt, place }
    }

    /// A mapping of `house/#`, listening.
    fn map(&self, server: &Server, function: &str, more: &Value) -> String {
        let document = json!({
            "FunctionName": function,
            "SelfManagedEventSource": {"Endpoints": {"MQTT": [self.mqtt.endpoint()]}},
            "Topics": ["house/#"],
            "SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": secret("shop")}],
        });
        map(server, document, more)
    }

    /// What functions saw, in order.
    fn seen(&self) -> Vec<Value> {
        self.place.records("mqtt")
    }

    /// The numbers that functions saw of a topic, each where it was seen first.
    fn numbers(&self, topic: &str) -> Vec<u64> {
        let mut numbers = Vec::new();
        for message in self.seen() {
            let number = message["json"].as_u64().unwrap();
            if message["topic"] == topic && !numbers.contains(&number) {
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

    /// Publishes numbers to each of so many topics.
    fn publish(&self, topics: u32, from: u32, to: u32) {
        let numbers: Vec<String> = (from..=to).map(|number| number.to_string()).collect();
        let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
        for topic in 1..=topics {
            self.mqtt.publish(&format!("house/{topic}"), &numbers);
        }
    }

    fn until_no_session_is_left(&self) {
        wait_for("the broker to have forgotten", SOON, || {
            (self.mqtt.sessions() == "0").then_some(())
        });
    }
}

#[test]
fn boto3_makes_changes_pauses_and_deletes_mappings_of_mqtt() {
    let rig = Rig::new();
    let server = rig.place.server().start();
    rig.place.ledger.create(&server, "audit");
    let endpoint = rig.mqtt.endpoint();
    client::python(
        &server,
        "boto3_event_sources.py",
        &[&endpoint, "MQTT", "house/+/door"],
    );
    rig.until_no_session_is_left();
    assert!(!server.home().log().contains(Mqtt::PASSWORD));
}

#[test]
fn no_message_is_lost_or_out_of_order_when_either_side_ends() {
    const TOPICS: u32 = 5;
    let mut rig = Rig::new();
    let server = rig.place.server().start();
    rig.place.ledger.create(&server, "audit");
    let settings = json!({"BatchSize": 7, "ParallelizationFactor": 3});
    let uuid = rig.map(&server, "audit", &settings);
    rig.publish(TOPICS, 1, 40);
    rig.until_seen(30);
    let home = server.kill9();
    // Nobody listens.
    rig.publish(TOPICS, 41, 80);
    let server = rig
        .place
        .server()
        .home(home)
        .expect_log("an event source cannot be listened to")
        .start();
    rig.until_seen(250);
    rig.mqtt.write_down();
    rig.mqtt.crash();
    until_result(&server, &uuid, "PROBLEM: ");
    rig.mqtt.start_again();
    rig.publish(TOPICS, 81, 100);
    let all: Vec<u64> = (1..=100).collect();
    let topics: Vec<String> = (1..=TOPICS).map(|name| format!("house/{name}")).collect();
    wait_for("all messages", SOON, || {
        let counts = topics.iter().map(|topic| rig.numbers(topic).len());
        (counts.sum::<usize>() == topics.len() * all.len()).then_some(())
    });
    for topic in &topics {
        assert_eq!(rig.numbers(topic), all, "each of {topic}, in order");
    }
    until_result(&server, &uuid, "OK");
    delete(&server, &uuid);
    rig.until_no_session_is_left();
}

#[test]
fn a_poisoned_message_of_a_topic_goes_to_a_queue() {
    let rig = Rig::new();
    let server = rig.place.server().start();
    let source = "def handler(event, context):\n    \
                  bad = [r for r in event['Records'] if r['mqtt']['json'] == 33]\n    \
                  return {'batchItemFailures': [{'itemIdentifier': r['dynamodb']['SequenceNumber']} for r in bad]}\n";
    server.function("picky", source).create();
    let url = queues::make(&server, "told");
    let more = json!({
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BisectBatchOnFunctionError": true, "MaximumRetryAttempts": 1,
        "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:000000000000:told"}},
        "FilterCriteria": {"Filters": [{"Pattern": r#"{"mqtt":{"json":[{"numeric":["<",40]}]}}"#}]},
    });
    let uuid = rig.map(&server, "picky", &more);
    rig.publish(1, 1, 60);
    let body = wait_for("the record of what is given up", SOON, || {
        queues::take_all(&server, &url).pop()
    });
    let record: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(record["KilnBatchInfo"]["batchSize"], 1);
    let payload = match &record["payload"] {
        Value::String(text) => serde_json::from_str(text).unwrap(),
        payload => payload.clone(),
    };
    assert_eq!(payload["Records"][0]["mqtt"]["json"], 33);
    until_result(&server, &uuid, "OK");
}

#[test]
fn the_command_line_has_functions_hear_of_topics_also_of_what_came_while_they_were_paused() {
    let rig = Rig::new();
    let server = rig.place.server().start();
    rig.place.ledger.create(&server, "audit");
    let kiln = |args: &[&str]| {
        let output = programs::run(&mut server.kiln(args));
        String::from_utf8(output.stdout).unwrap()
    };
    let endpoint = rig.mqtt.endpoint();
    let add = ["triggers", "add", "audit", &endpoint, "--secret", "shop"];
    let uuid = kiln(&[&add[..], &["--topic", "house/+"]].concat());
    let uuid = uuid.trim();
    rig.mqtt.publish("house/1", &["1"]);
    rig.until_seen(1);
    assert_eq!(kiln(&["triggers", "pause", uuid]), "Disabled\n");
    rig.mqtt.publish("house/1", &["2"]);
    kiln(&["triggers", "resume", uuid]);
    rig.until_seen(2);
    assert_eq!(rig.numbers("house/1"), [1, 2]);
    let found = mapping(&server, uuid).unwrap();
    let endpoints = &found["SelfManagedEventSource"]["Endpoints"];
    assert_eq!(endpoints, &json!({"MQTT": [endpoint]}));
    kiln(&["triggers", "delete", uuid]);
    rig.until_no_session_is_left();
}
