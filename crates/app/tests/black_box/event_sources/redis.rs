//! What is added to streams of a real Redis reaches functions, whatever ends meanwhile; changes of keys do while somebody
//! listens.

use std::collections::BTreeMap;

use kiln_testkit::{Redis, Server, programs, wait_for};
use serde_json::{Value, json};

use super::{Place, SOON, delete, map, mapping, secret, until_result};
use crate::{client, queues};

/// A server, and where things are.
struct Rig {
    redis: Redis,
    place: Place,
}

impl Rig {
    fn new(settings: &[&str]) -> Self {
        let redis = Redis::start_with(settings);
        let place = Place::new();
        redis.write_secret(place.secrets.path(), "shop");
        Self { redis, place }
    }

    /// A mapping, listening.
    fn map(
        &self,
        server: &Server,
        function: &str,
        kind: &str,
        topic: &str,
        more: &Value,
    ) -> String {
        let document = json!({
            "FunctionName": function,
            "SelfManagedEventSource": {"Endpoints": {kind: [self.redis.endpoint()]}},
            "Topics": [topic],
            "SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": secret("shop")}],
        });
        map(server, document, more)
    }

    /// What functions saw, in order.
    fn seen(&self) -> Vec<Value> {
        self.place.records("redis")
    }

    /// The numbers that functions saw of each key, each where it was seen first.
    fn numbers(&self) -> BTreeMap<String, Vec<u32>> {
        let mut numbers: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for entry in self.seen() {
            let field = |name: &str| entry["fields"][name].as_str().unwrap().to_owned();
            let of = numbers.entry(field("key")).or_default();
            let number = field("n").parse().unwrap();
            if !of.contains(&number) {
                of.push(number);
            }
        }
        numbers
    }

    fn until_seen(&self, count: usize) {
        wait_for(&format!("{count} records"), SOON, || {
            (self.seen().len() >= count).then_some(())
        });
    }

    /// Adds numbers in turn to each of so many keys.
    fn add(&self, keys: u32, from: u32, to: u32) {
        self.redis.run_lua(&format!(
            "for n = {from}, {to} do for k = 1, {keys} do redis.call('XADD', 'orders', '*', 'key', k, 'n', n) end end"
        ));
    }
}

#[test]
fn boto3_makes_changes_pauses_and_deletes_mappings_of_redis() {
    let rig = Rig::new(&[]);
    let server = rig.place.server().start();
    rig.place.ledger.create(&server, "audit");
    let endpoint = rig.redis.endpoint();
    client::python(
        &server,
        "boto3_event_sources.py",
        &[&endpoint, "REDIS", "orders"],
    );
    assert_eq!(rig.redis.ask(&["KEYS", "*"]), "", "nothing is left");
    assert!(!server.home().log().contains(Redis::PASSWORD));
}

#[test]
fn a_mapping_listens_with_a_secret_of_its_account_that_names_no_host() {
    let rig = Rig::new(&[]);
    std::fs::remove_file(rig.place.secrets.path().join("shop")).unwrap();
    let server = rig.place.server().start();
    rig.place.ledger.create(&server, "audit");
    let says = json!({"username": "kiln", "password": Redis::PASSWORD});
    let file = rig.place.secrets.path().join("given");
    std::fs::write(&file, says.to_string()).unwrap();
    let put = ["secrets", "put", "shop", "--file", file.to_str().unwrap()];
    programs::run(&mut server.kiln(&put));
    std::fs::remove_file(file).unwrap();
    let settings = json!({"BatchSize": 7});
    rig.map(&server, "audit", "REDIS", "orders", &settings);
    rig.add(1, 1, 3);
    rig.until_seen(3);
}

#[test]
fn no_entry_is_lost_or_out_of_order_whoever_is_killed() {
    const KEYS: u32 = 5;
    let mut rig = Rig::new(&[]);
    let server = rig.place.server().start();
    rig.place.ledger.create(&server, "audit");
    let settings = json!({"BatchSize": 7, "ParallelizationFactor": 3});
    let uuid = rig.map(&server, "audit", "REDIS", "orders", &settings);
    rig.add(KEYS, 1, 40);
    rig.until_seen(30);
    let home = server.kill9();
    // Nobody listens.
    rig.add(KEYS, 41, 80);
    let server = rig
        .place
        .server()
        .home(home)
        .expect_log("an event source cannot be listened to")
        .start();
    rig.until_seen(250);
    rig.redis.crash();
    until_result(&server, &uuid, "PROBLEM: ");
    rig.redis.start_again();
    rig.add(KEYS, 81, 100);
    let all: Vec<u32> = (1..=100).collect();
    wait_for("all entries", SOON, || {
        let numbers = rig.numbers();
        let count: usize = numbers.values().map(Vec::len).sum();
        (count == KEYS as usize * all.len()).then_some(())
    });
    for (key, numbers) in rig.numbers() {
        assert_eq!(numbers, all, "each of {key}, in order");
    }
    until_result(&server, &uuid, "OK");
    wait_for("all to be acknowledged", SOON, || {
        let group = format!("kiln_{}", uuid.replace('-', ""));
        let pending = rig.redis.ask(&["XPENDING", "orders", &group]);
        pending.starts_with('0').then_some(())
    });
    delete(&server, &uuid);
    assert_eq!(rig.redis.ask(&["XINFO", "GROUPS", "orders"]), "");
    assert_eq!(rig.redis.ask(&["XLEN", "orders"]), "500");
}

#[test]
fn a_poisoned_entry_goes_to_a_queue_and_holds_up_no_other() {
    let rig = Rig::new(&[]);
    let server = rig.place.server().start();
    let source = "def handler(event, context):\n    \
                  bad = [r for r in event['Records'] if r['redis']['fields']['n'] == '33']\n    \
                  return {'batchItemFailures': [{'itemIdentifier': r['dynamodb']['SequenceNumber']} for r in bad]}\n";
    server.function("picky", source).create();
    let url = queues::make(&server, "told");
    let more = json!({
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BisectBatchOnFunctionError": true, "MaximumRetryAttempts": 1,
        "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:000000000000:told"}},
    });
    let uuid = rig.map(&server, "picky", "REDIS", "orders", &more);
    rig.add(1, 1, 60);
    let body = wait_for("the record of what is given up", SOON, || {
        queues::take_all(&server, &url).pop()
    });
    let record: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(record["KilnBatchInfo"]["batchSize"], 1);
    let payload = match &record["payload"] {
        Value::String(text) => serde_json::from_str(text).unwrap(),
        payload => payload.clone(),
    };
    assert_eq!(payload["Records"][0]["redis"]["fields"]["n"], "33");
    until_result(&server, &uuid, "OK");
}

#[test]
fn the_command_line_has_functions_hear_of_streams_and_of_keys() {
    let rig = Rig::new(&["--notify-keyspace-events", "KA"]);
    rig.add(1, 1, 2);
    let server = rig.place.server().start();
    rig.place.ledger.create(&server, "audit");
    let endpoint = rig.redis.endpoint();
    let kiln = |args: &[&str]| {
        let output = programs::run(&mut server.kiln(args));
        String::from_utf8(output.stdout).unwrap()
    };
    let add = |more: &[&str]| {
        let add = ["triggers", "add", "audit", &endpoint, "--secret", "shop"];
        kiln(&[&add[..], more].concat()).trim().to_owned()
    };
    let stream = add(&["--stream", "orders", "--from-start"]);
    rig.until_seen(2);
    assert_eq!(kiln(&["triggers", "pause", &stream]), "Disabled\n");
    let keys = add(&["--key", "session:*"]);
    rig.redis.ask(&["SET", "session:1", "a", "PX", "1"]);
    rig.until_seen(5);
    let last = rig.seen().pop().unwrap();
    assert_eq!(
        last,
        json!({"database": 0, "key": "session:1", "event": "expired"})
    );
    let found = mapping(&server, &keys).unwrap();
    let endpoints = &found["SelfManagedEventSource"]["Endpoints"];
    assert_eq!(endpoints, &json!({"REDIS_KEYSPACE": [endpoint]}));
    kiln(&["triggers", "delete", &keys]);
    kiln(&["triggers", "delete", &stream]);
    assert_eq!(rig.redis.ask(&["XINFO", "GROUPS", "orders"]), "");
    assert_eq!(rig.redis.ask(&["PUBSUB", "NUMPAT"]), "0");
}
