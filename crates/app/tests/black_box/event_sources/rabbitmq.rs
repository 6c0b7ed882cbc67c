//! Messages of a queue of a real RabbitMQ broker reach functions, whatever ends meanwhile.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kiln_testkit::{RabbitMq, Server, programs, wait_for};
use serde_json::{Value, json};

use super::{Place, SOON, delete, map, mapping, secret, until_result};
use crate::{client, queues};

/// A broker with a queue, and where things are.
struct Rig {
    broker: RabbitMq,
    place: Place,
}

impl Rig {
    fn new() -> Self {
        let broker = RabbitMq::start();
        broker.make_queue("orders");
        let place = Place::new();
        broker.write_secret(place.secrets.path(), "shop");
        Self { broker, place }
    }

    /// A mapping, listening.
    fn map(&self, server: &Server, function: &str, more: &Value) -> String {
        let document = json!({
            "FunctionName": function,
            "SelfManagedEventSource": {"Endpoints": {"RABBITMQ": [self.broker.endpoint()]}},
            "Queues": ["orders"],
            "SourceAccessConfigurations": [
                {"Type": "BASIC_AUTH", "URI": secret("shop")}, {"Type": "VIRTUAL_HOST", "URI": "/"},
            ],
        });
        map(server, document, more)
    }

    /// The messages that functions saw, in order.
    fn messages(&self) -> Vec<Value> {
        let events = self.place.ledger.runs().into_iter().map(|(_, event)| event);
        events.flat_map(|event| messages(&event)).collect()
    }

    /// The numbers that functions saw.
    fn seen(&self) -> Vec<u32> {
        let number = |message: &Value| text(message).parse().unwrap();
        self.messages().iter().map(number).collect()
    }

    fn until_seen(&self, number: u32) {
        wait_for(&format!("message {number}"), SOON, || {
            self.seen().contains(&number).then_some(())
        });
    }

    fn until_waiting(&self, expected: (u32, u32)) {
        wait_for(&format!("{expected:?} in the queue"), SOON, || {
            (self.broker.waiting("orders") == expected).then_some(())
        });
    }
}

fn messages(event: &Value) -> Vec<Value> {
    assert_eq!(event["eventSource"], "aws:rmq");
    let queues = event["rmqMessagesByQueue"].as_object().unwrap();
    assert!(queues.keys().all(|name| name == "orders::/"), "{queues:?}");
    queues["orders::/"].as_array().unwrap().clone()
}

fn text(message: &Value) -> String {
    let data = BASE64_STANDARD.decode(message["data"].as_str().unwrap());
    String::from_utf8(data.unwrap()).unwrap()
}

#[test]
fn boto3_makes_changes_and_deletes_mappings_of_rabbitmq() {
    let rig = Rig::new();
    let server = rig.place.server().start();
    rig.place.ledger.create(&server, "audit");
    let endpoint = rig.broker.endpoint();
    client::python(&server, "boto3_rabbitmq.py", &[&endpoint, "orders"]);
    rig.until_waiting((0, 0));
    assert!(!server.home().log().contains(RabbitMq::PASSWORD));
}

#[test]
fn no_message_is_lost_whoever_is_killed() {
    let mut rig = Rig::new();
    let server = rig.place.server().start();
    rig.place.ledger.create(&server, "audit");
    let uuid = rig.map(&server, "audit", &json!({"BatchSize": 7}));
    rig.broker.send("orders", 1, 100);
    rig.until_seen(30);
    let home = server.kill9();
    // Nobody listens.
    rig.broker.send("orders", 101, 200);
    let server = rig
        .place
        .server()
        .home(home)
        .expect_log("an event source cannot be listened to")
        .start();
    rig.until_seen(150);
    rig.broker.crash();
    until_result(&server, &uuid, "PROBLEM: ");
    rig.broker.start_again();
    rig.broker.send("orders", 201, 300);
    rig.until_seen(300);
    let mut first_seen = Vec::new();
    for number in rig.seen() {
        if !first_seen.contains(&number) {
            first_seen.push(number);
        }
    }
    assert_eq!(first_seen, (1..=300).collect::<Vec<_>>(), "each, in order");
    until_result(&server, &uuid, "OK");
    rig.until_waiting((0, 1));
    delete(&server, &uuid);
    rig.until_waiting((0, 0));
}

#[test]
fn a_function_that_fails_keeps_its_messages_in_the_queue() {
    let rig = Rig::new();
    let server = rig.place.server().start();
    let source = "def handler(event, context):\n    raise ValueError('no')\n";
    server.function("picky", source).create();
    let uuid = rig.map(&server, "picky", &json!({}));
    rig.broker.send("orders", 1, 3);
    until_result(&server, &uuid, "PROBLEM: Function call failed");
    delete(&server, &uuid);
    rig.until_waiting((3, 0));
}

#[test]
fn a_poisoned_message_goes_to_a_queue_and_holds_up_no_other() {
    let rig = Rig::new();
    let server = rig.place.server().start();
    let source = "import base64\n\
                  def handler(event, context):\n    \
                  for message in event['rmqMessagesByQueue']['orders::/']:\n        \
                  if base64.b64decode(message['data']) == b'33':\n            raise ValueError('poison')\n";
    server.function("picky", source).create();
    let url = queues::make(&server, "told");
    let more = json!({
        "BisectBatchOnFunctionError": true, "MaximumRetryAttempts": 1,
        "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:000000000000:told"}},
    });
    let uuid = rig.map(&server, "picky", &more);
    rig.broker.send("orders", 1, 60);
    let body = wait_for("the record of what is given up", SOON, || {
        queues::take_all(&server, &url).pop()
    });
    let record: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(record["KilnBatchInfo"]["batchSize"], 1);
    let payload = match &record["payload"] {
        Value::String(text) => serde_json::from_str(text).unwrap(),
        payload => payload.clone(),
    };
    assert_eq!(text(&messages(&payload)[0]), "33");
    until_result(&server, &uuid, "OK");
    // Only then the broker is told that it is done.
    rig.until_waiting((0, 1));
}

#[test]
fn the_command_line_has_functions_hear_of_a_queue_through_a_filter() {
    let rig = Rig::new();
    let server = rig.place.server().start();
    rig.place.ledger.create(&server, "audit");
    let endpoint = rig.broker.endpoint();
    let kiln = |args: &[&str]| {
        let output = programs::run(&mut server.kiln(args));
        String::from_utf8(output.stdout).unwrap()
    };
    let filter =
        r#"{"data": {"total": [{"numeric": [">", 5]}]}, "basicProperties": {"type": ["order"]}}"#;
    let added = kiln(&[
        "triggers", "add", "audit", &endpoint, "--queue", "orders", "--secret", "shop", "--filter",
        filter,
    ]);
    let uuid = added.trim();
    let list = kiln(&["triggers", "list"]);
    assert!(list.contains(&format!("{endpoint} orders")), "{list}");
    rig.broker.run_python(
        "order = pika.BasicProperties(type='order')\n\
         for total in (5, 6, 7):\n    \
             channel.basic_publish('', 'orders', b'{\"total\": %d}' % total, order)\n\
         channel.basic_publish('', 'orders', b'{\"total\": 8}')\n\
         channel.basic_publish('', 'orders', b'text', order)\n\
         channel.basic_publish('', 'orders', b'{\"total\": 9}', order)",
    );
    let texts = || -> Vec<String> { rig.messages().iter().map(text).collect() };
    wait_for("the messages that are wanted", SOON, || {
        (texts().len() == 3).then_some(())
    });
    assert_eq!(
        texts(),
        [r#"{"total": 6}"#, r#"{"total": 7}"#, r#"{"total": 9}"#]
    );
    // What nobody wants is done, too.
    rig.until_waiting((0, 1));
    let (_, event) = rig.place.ledger.runs().remove(0);
    assert_eq!(
        event["eventSourceArn"],
        format!("arn:aws:lambda:us-east-1:000000000000:event-source-mapping:{uuid}")
    );
    assert_eq!(kiln(&["triggers", "pause", uuid]), "Disabled\n");
    rig.until_waiting((0, 0));
    let found = mapping(&server, uuid).unwrap();
    assert_eq!(found["Queues"], json!(["orders"]));
    kiln(&["triggers", "delete", uuid]);
}
