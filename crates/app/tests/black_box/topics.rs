//! Topics: what is published reaches who wants it, once it was answered for whatever happens; and destinations that are
//! topics and buses.

use std::time::Duration;

use kiln_testkit::{Server, clients, programs, wait_for};
use serde_json::{Value, json};

use crate::client;
use crate::events::{Ledger, SOON, until_empty};

fn with_ledger(ledger: &Ledger) -> Server {
    Server::builder()
        .args(&[
            "--file-system",
            &ledger.setting(),
            "--event-retry-secs",
            "1",
        ])
        .start()
}

fn kiln(server: &Server, arguments: &[&str]) -> String {
    String::from_utf8(programs::run(&mut server.kiln(arguments)).stdout).unwrap()
}

/// A call in the JSON protocol of a service.
fn call(server: &Server, service: &str, target: &str, body: &Value) -> Value {
    let content_type = match service {
        "sqs" => "application/x-amz-json-1.0",
        _ => "application/x-amz-json-1.1",
    };
    let request = server.request("POST", "/").signed(service);
    let request = request.header("x-amz-target", target);
    let request = request.header("content-type", content_type);
    let answer = request.json(body).send().expect_status(200);
    match answer.body.is_empty() {
        true => Value::Null,
        false => answer.json(),
    }
}

fn make_queue(server: &Server, name: &str) -> String {
    let attributes = match name.ends_with(".fifo") {
        true => json!({"FifoQueue": "true"}),
        false => json!({}),
    };
    let input = json!({"QueueName": name, "Attributes": attributes});
    let made = call(server, "sqs", "AmazonSQS.CreateQueue", &input);
    made["QueueUrl"].as_str().unwrap().to_owned()
}

/// The next message of a queue.
fn receive(server: &Server, url: &str) -> Value {
    let ask = json!({"QueueUrl": url, "WaitTimeSeconds": 20, "MessageAttributeNames": ["All"]});
    let received = call(server, "sqs", "AmazonSQS.ReceiveMessage", &ask);
    let message = received["Messages"][0].clone();
    let done = json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]});
    call(server, "sqs", "AmazonSQS.DeleteMessage", &done);
    message
}

/// The body of a message, read.
fn body(message: &Value) -> Value {
    serde_json::from_str(message["Body"].as_str().unwrap()).unwrap()
}

fn status(server: &Server) -> Value {
    let status = server.request("GET", "/_kiln/status").signed("kiln");
    status.send().expect_status(200).json()
}

#[test]
fn boto3_makes_topics_subscribes_and_publishes() {
    let server = Server::start();
    client::python(&server, "boto3_topics.py", &[]);
}

#[test]
fn the_aws_cli_publishes_to_a_queue() {
    let server = Server::start();
    let url = make_queue(&server, "orders");
    let aws = |arguments: &[&str]| -> Value {
        let said = client::run(&server, clients::aws_cli().args(arguments));
        serde_json::from_str(&said).unwrap_or(Value::Null)
    };
    let made = aws(&[
        "sns",
        "create-topic",
        "--name",
        "orders",
        "--tags",
        "Key=a,Value=b",
    ]);
    let topic = made["TopicArn"].as_str().unwrap();
    let queue = "arn:aws:sqs:us-east-1:000000000000:orders";
    let subscribe = [
        "--topic-arn",
        topic,
        "--protocol",
        "sqs",
        "--notification-endpoint",
        queue,
    ];
    let made = aws(&[&["sns", "subscribe"], &subscribe[..]].concat());
    let subscription = made["SubscriptionArn"].as_str().unwrap();
    let publish = [
        "--topic-arn",
        topic,
        "--message",
        "seven",
        "--subject",
        "an order",
    ];
    let published = aws(&[&["sns", "publish"], &publish[..]].concat());
    let envelope = body(&receive(&server, &url));
    assert_eq!(envelope["MessageId"], published["MessageId"]);
    assert_eq!(
        (&envelope["Message"], &envelope["Subject"]),
        (&json!("seven"), &json!("an order"))
    );
    let shown = aws(&[
        "sns",
        "get-subscription-attributes",
        "--subscription-arn",
        subscription,
    ]);
    assert_eq!(shown["Attributes"]["Endpoint"], queue);
    let listed = aws(&["sns", "list-subscriptions"]);
    assert_eq!(listed["Subscriptions"][0]["SubscriptionArn"], subscription);
}

#[test]
fn what_was_published_reaches_its_subscribers_though_the_server_is_killed() {
    let ledger = Ledger::new();
    let server = with_ledger(&ledger);
    ledger.create(&server, "runs");
    make_queue(&server, "orders");
    kiln(&server, &["topics", "create", "orders"]);
    kiln(
        &server,
        &["topics", "subscribe", "orders", "--function", "runs"],
    );
    kiln(
        &server,
        &[
            "topics",
            "subscribe",
            "orders",
            "--queue",
            "orders",
            "--raw",
        ],
    );
    for number in 0..20 {
        kiln(
            &server,
            &["topics", "publish", "orders", &number.to_string()],
        );
    }
    let home = server.kill9();
    let server = Server::builder()
        .home(home)
        .args(&["--file-system", &ledger.setting()])
        .start();
    let heard = || -> Vec<String> {
        let runs = ledger.runs().into_iter();
        let said = runs.map(|(_, event)| event["Records"][0]["Sns"]["Message"].clone());
        said.filter_map(|message| Some(message.as_str()?.to_owned()))
            .collect()
    };
    // What ran when the server was killed may have run again.
    wait_for("every message to be heard", SOON, || {
        let heard = heard();
        let all = (0..20).all(|number| heard.contains(&number.to_string()));
        all.then_some(())
    });
    until_empty(&server);
    let shown: Value = serde_json::from_str(&kiln(
        &server,
        &["queues", "show", "orders", "--output", "json"],
    ))
    .unwrap();
    assert_eq!(shown["messages"], 20);
    // The topic and its subscriptions are there as they were.
    kiln(&server, &["topics", "publish", "orders", "last"]);
    wait_for("the last", SOON, || {
        heard().contains(&"last".to_owned()).then_some(())
    });
    assert_eq!(status(&server)["publications"]["dropped"], 0);
}

/// Fails when told to.
const FUNCTION: &str = "def handler(event, context):\n    if event.get('fail'):\n        \
                        raise ValueError(event['fail'])\n    return 'done'\n";

#[test]
fn topics_and_buses_are_told_of_the_ends_of_asynchronous_invocations() {
    let server = Server::builder().args(&["--event-retry-secs", "1"]).start();
    let (successes, failures, letters) = (
        make_queue(&server, "successes"),
        make_queue(&server, "failures"),
        make_queue(&server, "letters"),
    );
    for (topic, queue) in [("ends", "failures"), ("dead", "letters")] {
        kiln(&server, &["topics", "create", topic]);
        kiln(&server, &["topics", "subscribe", topic, "--queue", queue]);
    }
    let pattern =
        json!({"source": ["lambda"], "detail": {"requestContext": {"condition": ["Success"]}}});
    let rule = json!({"Name": "ends", "EventPattern": pattern.to_string()});
    call(&server, "events", "AWSEvents.PutRule", &rule);
    let queue = "arn:aws:sqs:us-east-1:000000000000:successes";
    let targets = json!({"Rule": "ends", "Targets": [{"Id": "1", "Arn": queue}]});
    call(&server, "events", "AWSEvents.PutTargets", &targets);

    let topic = |name: &str| format!("arn:aws:sns:us-east-1:000000000000:{name}");
    let bus = "arn:aws:events:us-east-1:000000000000:event-bus/default";
    let function = server.function("ends", FUNCTION);
    function
        .set("DeadLetterConfig", json!({"TargetArn": topic("dead")}))
        .create();
    let config = json!({
        "MaximumRetryAttempts": 0,
        "DestinationConfig": {
            "OnSuccess": {"Destination": bus}, "OnFailure": {"Destination": topic("ends")},
        },
    });
    let path = "/2019-09-25/functions/ends/event-invoke-config";
    let set = server.lambda("PUT", path).json(&config).send();
    set.expect_status(200);
    kiln(
        &server,
        &["invoke", "ends", "--payload", "{\"a\": 1}", "--async"],
    );
    let event = body(&receive(&server, &successes));
    assert_eq!(
        event["detail-type"],
        "Lambda Function Invocation Result - Success"
    );
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:ends:$LATEST";
    assert_eq!(event["resources"], json!([bus, arn]));
    assert_eq!(event["detail"]["requestPayload"], json!({"a": 1}));
    assert_eq!(event["detail"]["responsePayload"], "done");

    let event = "{\"fail\": \"no room\"}";
    kiln(&server, &["invoke", "ends", "--payload", event, "--async"]);
    let envelope = body(&receive(&server, &failures));
    let record: Value = serde_json::from_str(envelope["Message"].as_str().unwrap()).unwrap();
    assert_eq!(record["requestContext"]["condition"], "RetriesExhausted");
    let envelope = body(&receive(&server, &letters));
    assert_eq!(envelope["Message"], event);
    let attributes = &envelope["MessageAttributes"];
    assert_eq!(attributes["ErrorMessage"]["Value"], "no room");
    assert_eq!(
        attributes["ErrorCode"],
        json!({"Type": "Number", "Value": "200"})
    );
}

#[test]
fn a_success_whose_destination_is_gone_is_a_dead_letter_with_the_reason() {
    let server = Server::builder()
        .expect_log("a destination does not take what tells of an event's success")
        .start();
    let url = make_queue(&server, "ends");
    kiln(&server, &["topics", "create", "ends"]);
    server.function("ends", FUNCTION).create();
    let path = "/2019-09-25/functions/ends/event-invoke-config";
    let tell = |to: &str| {
        let config = json!({"DestinationConfig": {"OnSuccess": {"Destination": to}}});
        let set = server.lambda("PUT", path).json(&config).send();
        set.expect_status(200);
    };
    tell("arn:aws:sqs:us-east-1:000000000000:ends");
    call(
        &server,
        "sqs",
        "AmazonSQS.DeleteQueue",
        &json!({"QueueUrl": url}),
    );
    kiln(&server, &["invoke", "ends", "--payload", "{}", "--async"]);
    let untold = |count: u64| {
        wait_for("a dead letter", Duration::from_secs(30), || {
            (status(&server)["events"]["untold"] == count).then_some(())
        });
    };
    untold(1);
    tell("arn:aws:sns:us-east-1:000000000000:ends");
    kiln(&server, &["topics", "delete", "ends"]);
    kiln(&server, &["invoke", "ends", "--payload", "{}", "--async"]);
    untold(2);
    let listed = kiln(&server, &["events", "list"]);
    assert_eq!(listed.matches("DestinationNotTold").count(), 2, "{listed}");
    // Once there is somebody to tell, a redrive runs it again and tells.
    kiln(&server, &["topics", "create", "ends"]);
    let url = make_queue(&server, "told");
    kiln(&server, &["topics", "subscribe", "ends", "--queue", "told"]);
    kiln(&server, &["events", "redrive", "--function", "ends"]);
    for _ in 0..2 {
        assert_eq!(body(&receive(&server, &url))["Type"], "Notification");
    }
}

#[test]
fn a_function_that_publishes_to_its_own_topic_is_stopped() {
    let server = Server::builder()
        .args(&["--function-access", "account", "--event-retry-secs", "1"])
        .start();
    let code = "import boto3\n\ndef handler(event, context):\n    \
                boto3.client('sns').publish(TopicArn='arn:aws:sns:us-east-1:000000000000:loop', Message='on')\n";
    server.function("loop", code).create();
    kiln(&server, &["topics", "create", "loop"]);
    kiln(
        &server,
        &["topics", "subscribe", "loop", "--function", "loop"],
    );
    kiln(&server, &["topics", "publish", "loop", "on"]);
    wait_for("the loop to end", Duration::from_secs(60), || {
        let events = status(&server)["events"].clone();
        (events["deadLetters"] == 1 && events["queued"] == 0).then_some(())
    });
    let events = status(&server)["events"].clone();
    assert_eq!(events["succeeded"], 16, "{events}");
    assert!(kiln(&server, &["events", "list"]).contains("RecursiveInvocation"));
}

#[test]
fn the_command_line_knows_topics() {
    let server = Server::start();
    let url = make_queue(&server, "orders.fifo");
    assert!(url.ends_with("orders.fifo"));
    kiln(
        &server,
        &[
            "topics",
            "create",
            "orders.fifo",
            "--deduplicate-by-content",
        ],
    );
    let subscription = kiln(
        &server,
        &[
            "topics",
            "subscribe",
            "orders.fifo",
            "--queue",
            "orders.fifo",
        ],
    );
    let publish = [
        "topics",
        "publish",
        "orders.fifo",
        "x",
        "--group",
        "g",
        "--subject",
        "s",
    ];
    let id = kiln(&server, &publish);
    assert_eq!(kiln(&server, &publish), id);
    assert_eq!(body(&receive(&server, &url))["MessageId"], id.trim());
    let listed = kiln(&server, &["topics", "list"]);
    assert!(listed.contains("orders.fifo"), "{listed}");
    let show = || -> Value {
        let shown = kiln(
            &server,
            &["topics", "show", "orders.fifo", "--output", "json"],
        );
        serde_json::from_str(&shown).unwrap()
    };
    assert_eq!(show()["subscriptions"][0]["arn"], subscription.trim());
    kiln(&server, &["topics", "unsubscribe", subscription.trim()]);
    assert_eq!(show()["subscriptions"], json!([]));
    kiln(&server, &["topics", "delete", "orders.fifo"]);
    let refused = server
        .kiln(&["topics", "show", "orders.fifo"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("there is no topic orders.fifo"), "{told}");
}
