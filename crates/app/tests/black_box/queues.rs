//! Message queues: as AWS's SDK for Python has them today (JSON) and had them until 2023 (the query
//! protocol), and what survives `kill -9`.

use std::collections::BTreeSet;
use std::time::Duration;

use kiln_testkit::{Server, clients, programs, wait_for};
use serde_json::{Value, json};

use crate::client;

/// Runs a program by both protocols, each against a server of its own.
fn by_both_protocols(program: &str) {
    let server = Server::start();
    client::python(&server, program, &[]);
    let server = Server::start();
    client::python_of(&server, &mut clients::python_speaking_query(), program);
}

#[test]
fn queues_live_their_whole_life() {
    by_both_protocols("sqs_queues.py");
}

#[test]
fn messages_are_sent_received_and_deleted() {
    by_both_protocols("sqs_messages.py");
}

#[test]
fn fifo_queues_keep_their_order_and_dead_letters_find_their_way() {
    by_both_protocols("sqs_fifo.py");
}

/// A call in the JSON protocol.
fn call(server: &Server, operation: &str, input: &Value) -> kiln_testkit::Response {
    server
        .request("POST", "/")
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", &format!("AmazonSQS.{operation}"))
        .body(input.to_string())
        .signed("sqs")
        .send()
}

pub(crate) fn make(server: &Server, name: &str) -> String {
    let attributes = match name.ends_with(".fifo") {
        true => json!({"FifoQueue": "true", "ContentBasedDeduplication": "true"}),
        false => json!({}),
    };
    let made = call(
        server,
        "CreateQueue",
        &json!({"QueueName": name, "Attributes": attributes}),
    );
    let url = made.expect_status(200).json()["QueueUrl"].clone();
    url.as_str().unwrap().to_owned()
}

fn send(server: &Server, url: &str, body: &str) {
    let mut input = json!({"QueueUrl": url, "MessageBody": body});
    if url.ends_with(".fifo") {
        input["MessageGroupId"] = json!("g");
    }
    call(server, "SendMessage", &input).expect_status(200);
}

/// Takes everything there is; gives the bodies.
pub(crate) fn take_all(server: &Server, url: &str) -> Vec<String> {
    let mut bodies = Vec::new();
    loop {
        let ask = json!({"QueueUrl": url, "MaxNumberOfMessages": 10});
        let received = call(server, "ReceiveMessage", &ask)
            .expect_status(200)
            .json();
        let Some(messages) = received["Messages"].as_array() else {
            return bodies;
        };
        for message in messages {
            bodies.push(message["Body"].as_str().unwrap().to_owned());
            let done = json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]});
            call(server, "DeleteMessage", &done).expect_status(200);
        }
    }
}

#[test]
fn what_was_sent_survives_kill_9_and_what_was_deleted_does_not_come_back() {
    let server = Server::start();
    for name in ["orders", "ordered.fifo"] {
        let url = make(&server, name);
        for number in 0..50 {
            send(&server, &url, &number.to_string());
        }
    }
    let path = |name: &str| format!("/000000000000/{name}");
    // One is in flight, and one is done.
    for name in ["orders", "ordered.fifo"] {
        for is_done in [true, false] {
            let ask = json!({"QueueUrl": path(name), "VisibilityTimeout": 1});
            let received = call(&server, "ReceiveMessage", &ask)
                .expect_status(200)
                .json();
            let message = &received["Messages"][0];
            if is_done {
                let done =
                    json!({"QueueUrl": path(name), "ReceiptHandle": message["ReceiptHandle"]});
                call(&server, "DeleteMessage", &done).expect_status(200);
            }
        }
    }
    let server = Server::builder().home(server.kill9()).start();
    std::thread::sleep(Duration::from_millis(1_100));
    let all: BTreeSet<String> = (1..50).map(|number| number.to_string()).collect();
    let left = take_all(&server, &path("orders"));
    assert_eq!(left.len(), 49, "{left:?}");
    assert_eq!(left.into_iter().collect::<BTreeSet<_>>(), all);
    let in_order: Vec<String> = (1..50).map(|number| number.to_string()).collect();
    assert_eq!(take_all(&server, &path("ordered.fifo")), in_order);
}

#[test]
fn errors_carry_the_codes_of_both_protocols() {
    let server = Server::start();
    let missing = json!({"QueueUrl": "/000000000000/absent"});
    let refused = call(&server, "PurgeQueue", &missing).expect_status(400);
    let code = "AWS.SimpleQueueService.NonExistentQueue;Sender";
    assert_eq!(refused.header("x-amzn-query-error"), code);
    assert_eq!(refused.header("content-type"), "application/x-amz-json-1.0");
    assert_eq!(
        refused.json()["__type"],
        "com.amazonaws.sqs#QueueDoesNotExist"
    );
    let refused = call(&server, "SendMessage", &json!({})).expect_status(400);
    assert_eq!(
        refused.json()["message"],
        "The request must contain the parameter QueueUrl."
    );
    assert_eq!(
        refused.header("x-amzn-query-error"),
        "MissingParameter;Sender"
    );
    let refused = call(&server, "Nonsense", &json!({})).expect_status(404);
    assert_eq!(refused.header("x-amzn-query-error"), "InvalidAction;Sender");
}

#[test]
fn a_queues_own_address_takes_requests_of_either_protocol() {
    let server = Server::start();
    let url = make(&server, "orders");
    assert!(url.ends_with("/000000000000/orders"), "{url}");
    let query = |method: &str, target: &str, form: &str| {
        let request = server.request(method, target);
        let request = match form {
            "" => request,
            form => request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form.to_owned()),
        };
        request
            .signed("sqs")
            .send()
            .expect_status(200)
            .text()
            .to_owned()
    };
    let sent = query(
        "POST",
        "/000000000000/orders",
        "Action=SendMessage&MessageBody=a%26b",
    );
    assert!(sent.contains("<SendMessageResult>"), "{sent}");
    let received = query(
        "GET",
        "/000000000000/orders?Action=ReceiveMessage&VisibilityTimeout=0",
        "",
    );
    assert!(received.contains("<Body>a&amp;b</Body>"), "{received}");
    let json = server
        .request("POST", "/000000000000/orders")
        .header("x-amz-target", "AmazonSQS.ReceiveMessage")
        .body("{}")
        .signed("sqs")
        .send();
    assert_eq!(json.expect_status(200).json()["Messages"][0]["Body"], "a&b");
    let deleted = query("POST", "/", &format!("Action=DeleteQueue&QueueUrl={url}"));
    assert!(deleted.contains("<DeleteQueueResponse"), "{deleted}");
}

#[test]
fn a_receiver_that_leaves_takes_no_message() {
    let server = Server::start();
    let url = make(&server, "orders");
    let program = format!(
        "import boto3, botocore.config, botocore.exceptions\n\
         config = botocore.config.Config(read_timeout=1, retries={{'max_attempts': 0}})\n\
         client = boto3.client('sqs', config=config)\n\
         try:\n    client.receive_message(QueueUrl={url:?}, WaitTimeSeconds=20)\n\
         except botocore.exceptions.ReadTimeoutError:\n    pass\n"
    );
    client::run(&server, clients::python().args(["-c", &program]));
    send(&server, &url, "x");
    assert_eq!(take_all(&server, &url), ["x"]);
}

/// Sends what it is told to, and fails when told to.
const FUNCTION: &str = "def handler(event, context):\n    if event.get('fail'):\n        \
                        raise ValueError(event['fail'])\n    return 'done'\n";

#[test]
fn queues_are_told_of_the_ends_of_asynchronous_invocations() {
    let server = Server::builder().args(&["--event-retry-secs", "1"]);
    // One of them is deleted below.
    let server = server.expect_log("a destination does not take what tells of an event's failure");
    let server = server.start();
    let arn = |name: &str| format!("arn:aws:sqs:us-east-1:000000000000:{name}");
    let urls = ["succeeded", "failed", "dead"].map(|name| make(&server, name));
    let dead = json!({"TargetArn": arn("dead")});
    let function = server.function("ends", FUNCTION);
    function.set("DeadLetterConfig", dead.clone()).create();
    let shown = server.lambda("GET", "/2015-03-31/functions/ends/configuration");
    assert_eq!(
        shown.send().expect_status(200).json()["DeadLetterConfig"],
        dead
    );
    let config = json!({
        "MaximumRetryAttempts": 0,
        "DestinationConfig": {
            "OnSuccess": {"Destination": arn("succeeded")},
            "OnFailure": {"Destination": arn("failed")},
        },
    });
    let path = "/2019-09-25/functions/ends/event-invoke-config";
    server
        .lambda("PUT", path)
        .json(&config)
        .send()
        .expect_status(200);
    let invoke = |event: Value| {
        let path = "/2015-03-31/functions/ends/invocations";
        let request = server
            .lambda("POST", path)
            .header("x-amz-invocation-type", "Event");
        let accepted = request.body(event.to_string()).send().expect_status(202);
        accepted.header("x-amzn-requestid").to_owned()
    };
    let receive = |url: &str| {
        let ask = json!({
            "QueueUrl": url, "WaitTimeSeconds": 20, "MessageAttributeNames": ["All"], "AttributeNames": ["All"],
        });
        let received = call(&server, "ReceiveMessage", &ask)
            .expect_status(200)
            .json();
        received["Messages"][0].clone()
    };
    let id = invoke(json!({"a": 1}));
    let record = receive(&urls[0]);
    let read: Value = serde_json::from_str(record["Body"].as_str().unwrap()).unwrap();
    assert_eq!(read["requestContext"]["requestId"], json!(id));
    assert_eq!(
        (&read["requestPayload"], &read["responsePayload"]),
        (&json!({"a": 1}), &json!("done"))
    );
    assert!(
        record["Attributes"]["AWSTraceHeader"].is_string(),
        "{record}"
    );
    let id = invoke(json!({"fail": "no room"}));
    let record = receive(&urls[1]);
    let read: Value = serde_json::from_str(record["Body"].as_str().unwrap()).unwrap();
    assert_eq!(read["requestContext"]["condition"], "RetriesExhausted");
    let letter = receive(&urls[2]);
    assert_eq!(letter["Body"], json!({"fail": "no room"}).to_string());
    let said = |name: &str| letter["MessageAttributes"][name]["StringValue"].clone();
    assert_eq!(said("RequestID"), json!(id));
    assert_eq!(
        (said("ErrorCode"), said("ErrorMessage")),
        (json!("200"), json!("no room"))
    );

    // A queue that is gone does not take an event with it.
    for url in &urls {
        call(&server, "DeleteQueue", &json!({"QueueUrl": url})).expect_status(200);
    }
    invoke(json!({"fail": "again"}));
    let status = || {
        server
            .request("GET", "/_kiln/status")
            .signed("kiln")
            .send()
            .json()
    };
    wait_for("a dead letter", Duration::from_secs(30), || {
        (status()["events"]["deadLetters"] == 1).then_some(())
    });
    drop(server);
}

#[test]
fn the_command_line_knows_queues() {
    let server = Server::start();
    let kiln = |arguments: &[&str]| {
        String::from_utf8(programs::run(&mut server.kiln(arguments)).stdout).unwrap()
    };
    kiln(&["queues", "create", "dead"]);
    let made = kiln(&["queues", "create", "orders", "--dead-letters", "dead"]);
    send(&server, made.trim(), "x");
    let show = || -> Value {
        let text = kiln(&["queues", "show", "orders", "--output", "json"]);
        serde_json::from_str(&text).unwrap()
    };
    let listed = kiln(&["queues", "list"]);
    assert!(listed.contains("orders"), "{listed}");
    kiln(&["queues", "send", "orders", "hello"]);
    assert_eq!(
        (&show()["messages"], &show()["inFlight"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(show()["attributes"]["VisibilityTimeout"], "30");
    let policy = show()["attributes"]["RedrivePolicy"].to_string();
    assert!(
        policy.contains(":dead") && policy.contains(":5"),
        "{policy}"
    );
    kiln(&["queues", "create", "in-order.fifo", "--visibility", "7"]);
    kiln(&["queues", "delete", "in-order.fifo"]);
    assert!(!kiln(&["queues", "list"]).contains("in-order"));
    kiln(&["queues", "purge", "orders"]);
    assert_eq!(show()["messages"], 0);
    let refused = server.kiln(&["queues", "show", "absent"]).output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        told.contains("does not exist") && refused.status.code() == Some(2),
        "{told}"
    );
}
