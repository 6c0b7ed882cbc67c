//! HTTP endpoints that subscribe to topics: what is published reaches them over crashes, and those that do not answer hold
//! up nobody else.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use kiln_testkit::{Server, programs};
use serde_json::Value;

use crate::client;

/// Until a message must have come.
const SOON: Duration = Duration::from_secs(60);

fn kiln(server: &Server, arguments: &[&str]) -> String {
    String::from_utf8(programs::run(&mut server.kiln(arguments)).stdout).unwrap()
}

/// Takes what is posted there, and tells of it, until the test ends.
fn receive(listener: TcpListener) -> Receiver<Value> {
    let (tell, told) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut length = 0;
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap_or(0) > 2 {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            if reader.read_exact(&mut body).is_err() {
                continue;
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
            if let Ok(message) = serde_json::from_slice(&body)
                && tell.send(message).is_err()
            {
                return;
            }
        }
    });
    told
}

/// Subscribes an endpoint and opens what confirms it.
fn subscribe(server: &Server, topic: &str, listener: TcpListener) -> Receiver<Value> {
    let url = format!("http://{}/in", listener.local_addr().unwrap());
    let told = receive(listener);
    let said = kiln(server, &["topics", "subscribe", topic, "--url", &url]);
    assert_eq!(said.trim(), "pending confirmation");
    let asked = told.recv_timeout(SOON).unwrap();
    let url = asked["SubscribeURL"].as_str().unwrap();
    let path = url.split_once("/?").unwrap().1;
    let confirmed = server.request("GET", &format!("/?{path}")).send();
    confirmed.expect_status(200);
    told
}

fn policy(server: &Server, topic: &str) {
    let policy = r#"{"http": {"defaultHealthyRetryPolicy":
        {"numRetries": 60, "minDelayTarget": 1, "maxDelayTarget": 1}}}"#;
    let arn = format!("arn:aws:sns:us-east-1:000000000000:{topic}");
    let set = format!(
        "import boto3; boto3.client('sns').set_topic_attributes(TopicArn='{arn}', AttributeName='DeliveryPolicy', AttributeValue='''{policy}''')"
    );
    client::run(server, kiln_testkit::clients::python().args(["-c", &set]));
}

#[test]
fn boto3_subscribes_an_endpoint_that_confirms_and_gets_what_is_published() {
    let server = Server::builder().dev().start();
    client::python(&server, "boto3_topic_endpoints.py", &[]);
}

#[test]
fn what_was_published_reaches_an_endpoint_that_was_away_though_the_server_is_killed() {
    let server = Server::builder().dev().start();
    kiln(&server, &["topics", "create", "orders"]);
    policy(&server, "orders");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let told = subscribe(&server, "orders", listener);
    // The endpoint goes away with whoever hears of it: the next post is the last that it takes.
    drop(told);
    kiln(&server, &["topics", "publish", "orders", "the last"]);
    let away = || std::net::TcpStream::connect(address).is_err();
    kiln_testkit::wait_for("the endpoint to be gone", SOON, || away().then_some(()));
    for number in 0..5 {
        let message = number.to_string();
        kiln(&server, &["topics", "publish", "orders", &message]);
    }
    let home = server.kill9();
    let server = Server::builder().dev().home(home).start();
    let told = receive(TcpListener::bind(address).unwrap());
    let mut got = std::collections::BTreeSet::new();
    while got.len() < 5 {
        let message = told.recv_timeout(SOON).unwrap();
        let text = message["Message"].as_str().unwrap().to_owned();
        if text != "the last" {
            got.insert(text);
        }
    }
    assert_eq!(got, ["0", "1", "2", "3", "4"].map(str::to_owned).into());
    server.stop();
}

#[test]
fn an_endpoint_that_never_answers_holds_up_no_other() {
    let server = Server::builder().dev().start();
    kiln(&server, &["topics", "create", "orders"]);
    let dead = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, hangs) = (dead.local_addr().unwrap(), dead.try_clone().unwrap());
    let told = subscribe(&server, "orders", dead);
    drop(told);
    // From now on it takes connections, and says nothing.
    thread::spawn(move || {
        let held: Vec<_> = hangs.incoming().collect();
        drop(held);
    });
    let well = subscribe(&server, "orders", TcpListener::bind("127.0.0.1:0").unwrap());
    let publish = "import boto3; sns = boto3.client('sns')\nfor n in range(100): \
         sns.publish(TopicArn='arn:aws:sns:us-east-1:000000000000:orders', Message=str(n))";
    let mut python = kiln_testkit::clients::python();
    client::run(&server, python.args(["-c", publish]));
    for _ in 0..100 {
        // Long before the first try of the other is over.
        well.recv_timeout(Duration::from_secs(10)).unwrap();
    }
    assert!(std::net::TcpStream::connect(address).is_ok());
    server.kill9();
}

#[test]
fn a_server_for_others_posts_to_no_address_of_its_own() {
    let server = Server::start();
    kiln(&server, &["topics", "create", "orders"]);
    let arguments = [
        "topics",
        "subscribe",
        "orders",
        "--url",
        "http://127.0.0.1:80/",
    ];
    let refused = server.kiln(&arguments).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("public addresses"),
        "{said}"
    );
}
