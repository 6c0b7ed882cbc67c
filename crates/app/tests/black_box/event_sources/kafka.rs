//! Records of a topic of a mock cluster reach functions, whatever ends meanwhile.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kiln_testkit::{Kafka, Server, programs, wait_for};
use serde_json::{Value, json};

use super::{Place, SOON, delete, map, mapping, until_result};
use crate::{client, queues};

/// A cluster with a topic, and where things are.
struct Rig {
    cluster: Kafka,
    place: Place,
}

impl Rig {
    fn new() -> Self {
        let cluster = Kafka::start();
        cluster.make_topic("orders");
        Self {
            cluster,
            place: Place::new(),
        }
    }

    /// A mapping, listening from the beginning.
    fn map(&self, server: &Server, function: &str, more: &Value) -> String {
        let document = json!({
            "FunctionName": function,
            "SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": self.cluster.servers()}},
            "Topics": ["orders"],
            "StartingPosition": "TRIM_HORIZON",
        });
        map(server, document, more)
    }

    /// The records that functions saw, in order.
    fn records(&self) -> Vec<Value> {
        let events = self.place.ledger.runs().into_iter().map(|(_, event)| event);
        events.flat_map(|event| records(&event)).collect()
    }

    /// The numbers that functions saw of a partition.
    fn seen(&self, partition: u32) -> Vec<u32> {
        let records = self.records().into_iter();
        let own = records.filter(|record| record["partition"] == partition);
        own.map(|record| text(&record).parse().unwrap()).collect()
    }

    fn until_seen(&self, partition: u32, number: u32) {
        wait_for(&format!("record {number}"), SOON, || {
            self.seen(partition).contains(&number).then_some(())
        });
    }

    fn until_place(&self, group: &str, partition: u32, place: i64) {
        wait_for(&format!("{group} to be at {place}"), SOON, || {
            let found = self.cluster.place(group, "orders", partition);
            (found == Some(place)).then_some(())
        });
    }
}

fn records(event: &Value) -> Vec<Value> {
    assert_eq!(event["eventSource"], "SelfManagedKafka");
    let mut all = Vec::new();
    for (name, records) in event["records"].as_object().unwrap() {
        let records = records.as_array().unwrap();
        for record in records {
            let (topic, partition) = (record["topic"].as_str().unwrap(), &record["partition"]);
            assert_eq!(*name, format!("{topic}-{partition}"));
        }
        all.extend(records.clone());
    }
    all
}

fn text(record: &Value) -> String {
    let value = BASE64_STANDARD.decode(record["value"].as_str().unwrap());
    String::from_utf8(value.unwrap()).unwrap()
}

fn first_of_each(seen: Vec<u32>) -> Vec<u32> {
    let mut first = Vec::new();
    for number in seen {
        if !first.contains(&number) {
            first.push(number);
        }
    }
    first
}

#[test]
fn boto3_makes_changes_and_deletes_mappings_of_kafka() {
    let rig = Rig::new();
    let server = rig.place.server().start();
    rig.place.ledger.create(&server, "audit");
    let servers = rig.cluster.servers().join(",");
    client::python(&server, "boto3_kafka.py", &[&servers, "orders"]);
}

#[test]
fn no_record_is_lost_when_kiln_is_killed_and_each_partition_has_its_order() {
    let rig = Rig::new();
    let server = rig.place.server().start();
    rig.place.ledger.create(&server, "audit");
    let uuid = rig.map(&server, "audit", &json!({"BatchSize": 7}));
    for partition in [0, 3] {
        rig.cluster.send("orders", partition, 1, 100);
    }
    rig.until_seen(0, 30);
    let home = server.kill9();
    // Nobody listens.
    for partition in [0, 3] {
        rig.cluster.send("orders", partition, 101, 200);
    }
    let server = rig.place.server().home(home).start();
    for partition in [0, 3] {
        rig.until_seen(partition, 200);
        let first = first_of_each(rig.seen(partition));
        assert_eq!(first, (1..=200).collect::<Vec<_>>(), "each, in order");
        rig.until_place(&uuid, partition, 200);
    }
    let (_, event) = rig.place.ledger.runs().remove(0);
    assert_eq!(event["bootstrapServers"], rig.cluster.servers().join(","));
    until_result(&server, &uuid, "OK");
    delete(&server, &uuid);
}

#[test]
fn what_is_disabled_hears_of_nothing_and_goes_on_where_it_was() {
    let rig = Rig::new();
    let server = rig.place.server().start();
    rig.place.ledger.create(&server, "audit");
    let servers = format!("kafka://{}", rig.cluster.servers().join(","));
    let kiln = |args: &[&str]| {
        let output = programs::run(&mut server.kiln(args));
        String::from_utf8(output.stdout).unwrap()
    };
    let filter = r#"{"value": {"total": [{"numeric": [">", 5]}]}, "key": ["tea"]}"#;
    let added = kiln(&[
        "triggers",
        "add",
        "audit",
        &servers,
        "--topic",
        "orders",
        "--group",
        "billing",
        "--from-start",
        "--filter",
        filter,
    ]);
    let uuid = added.trim();
    let lines = [5, 6, 7].map(|total| format!("{{\"total\": {total}}}"));
    let tea = ["-k", "tea"];
    rig.cluster.produce_with("orders", 1, &lines, &tea);
    rig.cluster
        .produce_with("orders", 1, &lines, &["-k", "milk"]);
    // What nobody wants is done, too.
    rig.until_place("billing", 1, 6);
    assert_eq!(kiln(&["triggers", "pause", uuid]), "Disabled\n");
    rig.cluster
        .produce_with("orders", 1, &["{\"total\": 8}".to_owned()], &tea);
    std::thread::sleep(std::time::Duration::from_secs(1));
    let texts = || -> Vec<String> { rig.records().iter().map(text).collect() };
    assert_eq!(texts(), lines[1..]);
    kiln(&["triggers", "resume", uuid]);
    rig.until_place("billing", 1, 7);
    assert_eq!(texts().last().unwrap(), "{\"total\": 8}");
    let config = &mapping(&server, uuid).unwrap()["SelfManagedKafkaEventSourceConfig"];
    assert_eq!(*config, json!({"ConsumerGroupId": "billing"}));
    kiln(&["triggers", "delete", uuid]);
}

#[test]
fn a_poisoned_record_holds_up_its_partition_alone_and_is_told_of() {
    let rig = Rig::new();
    let server = rig.place.server().start();
    let source = "import base64\n\
                  def handler(event, context):\n    \
                  for name, records in event['records'].items():\n        \
                  for record in records:\n            \
                  if base64.b64decode(record['value']) == b'33':\n                \
                  return {'batchItemFailures': [{'itemIdentifier': {'partition': name, 'offset': record['offset']}}]}\n";
    server.function("picky", source).create();
    let url = queues::make(&server, "told");
    let more = json!({
        "MaximumRetryAttempts": 3, "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BatchSize": 10,
        "BisectBatchOnFunctionError": true,
        "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:000000000000:told"}},
    });
    let uuid = rig.map(&server, "picky", &more);
    rig.cluster.send("orders", 0, 1, 60);
    rig.cluster.send("orders", 1, 101, 160);
    rig.until_place(&uuid, 1, 60);
    let place = rig.cluster.place(&uuid, "orders", 0).unwrap();
    assert!(place <= 32, "the record is tried again: {place}");
    let body = wait_for("the record of what is given up", SOON, || {
        queues::take_all(&server, &url).pop()
    });
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(told["KilnBatchInfo"]["shardId"], "orders-0");
    assert_eq!(told["KilnBatchInfo"]["batchSize"], 1);
    let payload = match &told["payload"] {
        Value::String(text) => serde_json::from_str(text).unwrap(),
        payload => payload.clone(),
    };
    assert_eq!(text(&records(&payload)[0]), "33");
    rig.until_place(&uuid, 0, 60);
    until_result(&server, &uuid, "OK");
}

#[test]
fn a_cluster_that_ends_is_told_of() {
    let rig = Rig::new();
    let server = rig
        .place
        .server()
        .expect_log("an event source cannot be listened to")
        .expect_log("made at its source cannot be removed yet")
        .start();
    rig.place.ledger.create(&server, "audit");
    let uuid = rig.map(&server, "audit", &json!({}));
    rig.cluster.send("orders", 2, 1, 1);
    rig.until_seen(2, 1);
    let Rig {
        cluster,
        place: _place,
    } = rig;
    drop(cluster);
    until_result(&server, &uuid, "PROBLEM: Connection error.");
}
