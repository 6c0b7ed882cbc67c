//! Message queues as event sources: what is sent runs its function, and is gone only then.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kiln_testkit::{Builder, Ledger, Server, programs, wait_for};
use serde_json::{Value, json};

use super::{SOON, delete, mapping, until_result};

/// Notes the messages that it was given and those that it has handled, and does to each what it says:
/// `fail` always fails, `fail once:ID` the first time, `slow` takes a while.
const HANDLER: &str = r#"
import json, os, time

def note(file, line):
    with open('/mnt/ledger/' + file, 'a') as ledger:
        ledger.write(line + '\n')

def handler(event, context):
    failed = []
    for record in event['Records']:
        note('given', json.dumps(record))
        body = record['body']
        if body.startswith('slow'):
            note('times', 'begin')
            time.sleep(0.3)
            note('times', 'end')
        mark = '/mnt/ledger/' + body.replace(' ', '-').replace(':', '-')
        if body.startswith('fail once') and not os.path.exists(mark):
            open(mark, 'w').close()
            raise ValueError(body)
        if body == 'fail':
            failed.append({'itemIdentifier': record['messageId']})
        else:
            note('handled', body)
    return {'batchItemFailures': failed}
"#;

/// For how many seconds messages are hidden.
const HIDDEN: &str = "5";

struct Rig {
    ledger: Ledger,
}

impl Rig {
    fn new() -> Self {
        Self {
            ledger: Ledger::new(),
        }
    }

    fn server(&self) -> Builder {
        Server::builder().args(&["--file-system", &self.ledger.setting()])
    }

    /// The function, which must not have more time than messages are hidden.
    fn create(&self, server: &Server) {
        self.ledger.create(server, "ship", HANDLER);
        let path = "/2015-03-31/functions/ship/configuration";
        let update = server.lambda("PUT", path).json(&json!({"Timeout": 5}));
        update.send().expect_status(200);
    }

    fn handled(&self) -> Vec<String> {
        self.ledger.lines("handled")
    }

    /// The records that the function was given.
    fn given(&self) -> Vec<Value> {
        let lines = self.ledger.lines("given");
        lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn until_handled(&self, bodies: &[&str]) {
        let wanted: BTreeSet<_> = bodies.iter().map(|body| (*body).to_owned()).collect();
        wait_for("messages to be handled", SOON, || {
            let handled: BTreeSet<_> = self.handled().into_iter().collect();
            wanted.is_subset(&handled).then_some(())
        });
    }
}

fn call(server: &Server, operation: &str, input: &Value) -> Value {
    let call = server
        .request("POST", "/")
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", &format!("AmazonSQS.{operation}"))
        .body(input.to_string())
        .signed("sqs");
    let answer = call.send().expect_status(200);
    match answer.body.is_empty() {
        true => Value::Null,
        false => answer.json(),
    }
}

fn path(queue: &str) -> String {
    format!("/000000000000/{queue}")
}

fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{queue}")
}

fn make(server: &Server, queue: &str, attributes: &Value) {
    call(
        server,
        "CreateQueue",
        &json!({"QueueName": queue, "Attributes": attributes}),
    );
}

fn send(server: &Server, queue: &str, body: &str) {
    let input = json!({"QueueUrl": path(queue), "MessageBody": body});
    call(server, "SendMessage", &input);
}

fn send_to_group(server: &Server, queue: &str, group: &str, bodies: &[String]) {
    for body in bodies {
        let input = json!({
            "QueueUrl": path(queue), "MessageBody": body, "MessageGroupId": group,
            "MessageDeduplicationId": format!("{group}{}", body.replace(' ', "-")),
        });
        call(server, "SendMessage", &input);
    }
}

fn count(server: &Server, queue: &str) -> [String; 2] {
    let names = [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
    ];
    let input = json!({"QueueUrl": path(queue), "AttributeNames": names});
    let found = call(server, "GetQueueAttributes", &input);
    names.map(|name| found["Attributes"][name].as_str().unwrap().to_owned())
}

fn until_empty(server: &Server, queue: &str) {
    wait_for("the queue to be empty", SOON, || {
        (count(server, queue) == ["0", "0"]).then_some(())
    });
}

/// A mapping of the queue, listening.
fn map(server: &Server, function: &str, queue: &str, more: &Value) -> String {
    let document = json!({"FunctionName": function, "EventSourceArn": arn(queue)});
    super::map(server, document, more)
}

fn reserve(server: &Server, function: &str, count: u32) {
    let path = format!("/2017-10-31/functions/{function}/concurrency");
    let put = server.lambda("PUT", &path);
    put.json(&json!({"ReservedConcurrentExecutions": count}))
        .send()
        .expect_status(200);
}

#[test]
fn a_message_wakes_its_function_and_is_gone_when_it_was_handled() {
    let rig = Rig::new();
    let server = rig.server().start();
    make(&server, "orders", &json!({}));
    rig.create(&server);
    let uuid = map(&server, "ship", "orders", &json!({}));
    let input = json!({
        "QueueUrl": path("orders"), "MessageBody": "one",
        "MessageAttributes": {"kind": {"DataType": "String", "StringValue": "book"}},
    });
    let sent = call(&server, "SendMessage", &input);
    rig.until_handled(&["one"]);
    until_empty(&server, "orders");
    let [record] = &rig.given()[..] else {
        panic!("it is given once");
    };
    assert_eq!(record["messageId"], sent["MessageId"]);
    assert_eq!(record["md5OfBody"], sent["MD5OfMessageBody"]);
    assert_eq!(record["eventSource"], "aws:sqs");
    assert_eq!(record["eventSourceARN"], json!(arn("orders")));
    assert_eq!(record["attributes"]["ApproximateReceiveCount"], "1");
    assert_eq!(record["messageAttributes"]["kind"]["stringValue"], "book");
    until_result(&server, &uuid, "OK");
    delete(&server, &uuid);
}

#[test]
fn what_fails_too_often_becomes_a_dead_letter_and_takes_nothing_with_it() {
    let rig = Rig::new();
    let server = rig.server().start();
    make(&server, "lost", &json!({}));
    let redrive = json!({"deadLetterTargetArn": arn("lost"), "maxReceiveCount": 2}).to_string();
    make(
        &server,
        "orders",
        &json!({"VisibilityTimeout": HIDDEN, "RedrivePolicy": redrive}),
    );
    rig.create(&server);
    for body in ["one", "fail", "two"] {
        send(&server, "orders", body);
    }
    let reports = json!({"FunctionResponseTypes": ["ReportBatchItemFailures"]});
    map(&server, "ship", "orders", &reports);
    wait_for("the dead letter", SOON, || {
        (count(&server, "lost") == ["1", "0"]).then_some(())
    });
    until_empty(&server, "orders");
    let mut given = BTreeMap::new();
    for record in rig.given() {
        *given.entry(record["body"].clone().to_string()).or_insert(0) += 1;
    }
    let counts: Vec<_> = given.values().copied().collect();
    assert_eq!(counts, [2, 1, 1], "{given:?}");
}

#[test]
fn a_group_of_a_fifo_queue_keeps_its_order_through_failures() {
    let rig = Rig::new();
    let server = rig.server().start();
    let fifo = json!({"FifoQueue": "true", "VisibilityTimeout": HIDDEN});
    make(&server, "ordered.fifo", &fifo);
    rig.create(&server);
    let mut sent = BTreeMap::new();
    for group in ["a", "b", "c"] {
        let body = |number| match number {
            3 => format!("fail once:{group} {number}"),
            _ => format!("{group} {number}"),
        };
        let bodies: Vec<_> = (0..10).map(body).collect();
        send_to_group(&server, "ordered.fifo", group, &bodies);
        sent.insert(group, bodies);
    }
    map(&server, "ship", "ordered.fifo", &json!({"BatchSize": 2}));
    until_empty(&server, "ordered.fifo");
    for (group, bodies) in sent {
        // A batch that failed comes again whole, so what was handled before the failure is there twice.
        let mut handled = Vec::new();
        for body in rig.handled() {
            if bodies.contains(&body) && !handled.contains(&body) {
                handled.push(body);
            }
        }
        assert_eq!(handled, bodies, "group {group}");
    }
}

#[test]
fn no_message_is_lost_when_the_server_is_killed() {
    let rig = Rig::new();
    let mut server = rig.server().start();
    make(&server, "orders", &json!({"VisibilityTimeout": HIDDEN}));
    rig.create(&server);
    map(&server, "ship", "orders", &json!({"BatchSize": 3}));
    let mut all = BTreeSet::new();
    for round in 0..3 {
        for number in 0..40 {
            let body = format!("{round} {number}");
            send(&server, "orders", &body);
            all.insert(body);
        }
        server = rig.server().home(server.kill9()).start();
    }
    wait_for("all to be handled", SOON, || {
        let handled: BTreeSet<_> = rig.handled().into_iter().collect();
        (handled == all).then_some(())
    });
    until_empty(&server, "orders");
}

#[test]
fn no_more_batches_run_at_a_time_than_the_mapping_allows() {
    let rig = Rig::new();
    let server = rig.server().start();
    make(&server, "orders", &json!({}));
    rig.create(&server);
    let bodies: Vec<_> = (0..12).map(|number| format!("slow {number}")).collect();
    for body in &bodies {
        send(&server, "orders", body);
    }
    let limited = json!({"BatchSize": 1, "ScalingConfig": {"MaximumConcurrency": 2}});
    map(&server, "ship", "orders", &limited);
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    rig.until_handled(&bodies);
    let (mut running, mut most) = (0, 0);
    for line in rig.ledger.lines("times") {
        match line.as_str() {
            "begin" => running += 1,
            _ => running -= 1,
        }
        most = most.max(running);
    }
    assert_eq!((running, most), (0, 2));
}

#[test]
fn a_limit_of_the_function_uses_up_no_receives() {
    let rig = Rig::new();
    let server = rig.server().start();
    make(&server, "lost", &json!({}));
    let redrive = json!({"deadLetterTargetArn": arn("lost"), "maxReceiveCount": 1}).to_string();
    make(
        &server,
        "orders",
        &json!({"VisibilityTimeout": HIDDEN, "RedrivePolicy": redrive}),
    );
    rig.create(&server);
    reserve(&server, "ship", 0);
    let uuid = map(&server, "ship", "orders", &json!({}));
    send(&server, "orders", "one");
    until_result(&server, &uuid, "PROBLEM: ");
    // Twice as long as the queue would hide it.
    std::thread::sleep(Duration::from_secs(10));
    assert_eq!(count(&server, "orders"), ["0", "1"], "it is kept hidden");
    reserve(&server, "ship", 5);
    rig.until_handled(&["one"]);
    until_empty(&server, "orders");
    let given = rig.given();
    assert_eq!(given.len(), 1);
    assert_eq!(given[0]["attributes"]["ApproximateReceiveCount"], "1");
    assert_eq!(count(&server, "lost"), ["0", "0"]);
}

#[test]
fn a_queue_may_be_paused_and_go_and_come_again() {
    let rig = Rig::new();
    let server = rig
        .server()
        .expect_log("an event source cannot be listened to")
        .start();
    make(&server, "orders", &json!({}));
    rig.create(&server);
    let kiln = |args: &[&str]| {
        let output = programs::run(&mut server.kiln(args));
        String::from_utf8(output.stdout).unwrap()
    };
    let added = kiln(&["triggers", "add", "ship", "orders", "--window", "1"]);
    let uuid = added.trim();
    send(&server, "orders", "one");
    rig.until_handled(&["one"]);
    assert_eq!(kiln(&["triggers", "pause", uuid]), "Disabled\n");
    send(&server, "orders", "two");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(
        count(&server, "orders"),
        ["1", "0"],
        "disabled means disabled"
    );
    assert_eq!(kiln(&["triggers", "resume", uuid]), "Enabled\n");
    rig.until_handled(&["two"]);
    call(&server, "DeleteQueue", &json!({"QueueUrl": path("orders")}));
    until_result(&server, uuid, "PROBLEM: The specified queue does not exist");
    make(&server, "orders", &json!({}));
    send(&server, "orders", "three");
    rig.until_handled(&["three"]);
    until_result(&server, uuid, "OK");
    delete(&server, uuid);
    assert!(mapping(&server, uuid).is_none());
    send(&server, "orders", "four");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(count(&server, "orders"), ["1", "0"], "nobody listens");
}
