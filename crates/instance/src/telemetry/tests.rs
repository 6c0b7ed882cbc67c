//! Telemetry from outside: what a subscriber in the sandbox gets.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use kiln_sandbox::Exit;
use kiln_types::InvocationStatus;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::testing::{Client, Peer, Said, World, config, invocation, spec};

/// Registers an extension and gives its connection and id.
async fn register(peer: &Peer) -> (Client, String) {
    let mut client = Client::connect(peer.api).await;
    let headers = [("lambda-extension-name", peer.name.as_str())];
    let path = "/2020-01-01/extension/register";
    let body = r#"{"events":["INVOKE","SHUTDOWN"]}"#;
    let said = client.send(Method::POST, path, &headers, body).await;
    assert_eq!(said.status, 200, "{:?}", said.body);
    let id = said
        .header("lambda-extension-identifier")
        .unwrap()
        .to_owned();
    (client, id)
}

async fn put(client: &mut Client, path: &str, id: &str, body: Value) -> Said {
    let headers = [("lambda-extension-identifier", id)];
    client
        .send(Method::PUT, path, &headers, body.to_string())
        .await
}

async fn next(client: &mut Client, id: &str) -> Value {
    let headers = [("lambda-extension-identifier", id)];
    let path = "/2020-01-01/extension/event/next";
    let said = client.send(Method::GET, path, &headers, "").await;
    serde_json::from_slice(&said.body).unwrap()
}

fn wanted(destination: Value) -> Value {
    json!({
        "schemaVersion": "2022-12-13",
        "types": ["platform", "function", "extension"],
        "destination": destination,
        "buffering": { "maxItems": 1000, "maxBytes": 262144, "timeoutMs": 25 },
    })
}

/// Takes what is posted over one connection.
async fn take_posts(stream: TcpStream, records: mpsc::UnboundedSender<Value>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let batch: Vec<Value> = serde_json::from_slice(&body).unwrap();
        batch.into_iter().for_each(|one| drop(records.send(one)));
        let response = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        stream.get_mut().write_all(response).await.unwrap();
    }
}

/// An extension that passes on what it gets, and ends when it is told to.
async fn subscriber(peer: Peer, records: mpsc::UnboundedSender<Value>) -> Exit {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (mut client, id) = register(&peer).await;
    let uri = format!("http://sandbox.localdomain:{port}/logs");
    let body = wanted(json!({ "protocol": "HTTP", "URI": uri }));
    let said = put(&mut client, "/2022-07-01/telemetry", &id, body).await;
    assert_eq!((said.status, &said.body[..]), (200, &b"\"OK\""[..]));
    let take = async {
        let (stream, _) = listener.accept().await.unwrap();
        take_posts(stream, records).await;
    };
    let mut peer = peer;
    let hear = async {
        peer.print("a line of the extension\n").await;
        while next(&mut client, &id).await["eventType"] != "SHUTDOWN" {}
        // What was sent meanwhile is to be taken.
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    tokio::select! {
        () = async { take.await; std::future::pending::<()>().await } => {}
        () = hear => {}
    }
    Exit::Code(0)
}

async fn printing_echo(mut peer: Peer) -> Exit {
    let mut client = Client::connect(peer.api).await;
    loop {
        let event = client.next().await;
        peer.print("a line of the function\n").await;
        client.respond(&event, "1").await;
    }
}

/// Records until one of this kind, that one included.
async fn until(records: &mut mpsc::UnboundedReceiver<Value>, kind: &str) -> Vec<Value> {
    let mut seen = Vec::new();
    let wait = async {
        loop {
            let record = records.recv().await.unwrap();
            let is_last = record["type"] == kind;
            seen.push(record);
            if is_last {
                return;
            }
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), wait).await;
    assert!(waited.is_ok(), "no {kind} in {seen:?}");
    seen
}

fn find<'a>(records: &'a [Value], kind: &str) -> &'a Value {
    let found = records.iter().find(|record| record["type"] == kind);
    let found = found.unwrap_or_else(|| panic!("no {kind} in {records:?}"));
    assert!(found["time"].as_str().unwrap().ends_with('Z'), "{found}");
    &found["record"]
}

#[tokio::test]
async fn a_subscriber_gets_what_platform_function_and_extensions_say() {
    let (sender, mut records) = mpsc::unbounded_channel();
    let world = World::with_extensions(
        config(),
        spec("provided.al2023"),
        &["logger"],
        printing_echo,
        move |peer| subscriber(peer, sender.clone()),
    );
    let mut sent = invocation("1");
    sent.trace = Some("Root=1-2-3".to_owned());
    let report = world.handle.invoke(sent.clone()).await.unwrap();
    assert_eq!(report.status, InvocationStatus::Success);
    let seen = until(&mut records, "platform.report").await;
    let id = json!(sent.request_id);
    let start = find(&seen, "platform.initStart");
    assert_eq!(
        (
            &start["initializationType"],
            &start["phase"],
            &start["functionName"]
        ),
        (&json!("on-demand"), &json!("init"), &json!("sum"))
    );
    let subscribed = json!({
        "name": "logger",
        "state": "Subscribed",
        "types": ["platform", "function", "extension"],
    });
    assert_eq!(find(&seen, "platform.telemetrySubscription"), &subscribed);
    let extension = json!({ "name": "logger", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"] });
    assert_eq!(find(&seen, "platform.extension"), &extension);
    assert_eq!(find(&seen, "platform.initRuntimeDone")["status"], "success");
    assert!(find(&seen, "platform.initReport")["metrics"]["durationMs"].is_f64());
    assert_eq!(find(&seen, "extension"), "a line of the extension");
    assert_eq!(find(&seen, "function"), "a line of the function");
    let tracing = json!({ "type": "X-Amzn-Trace-Id", "value": "Root=1-2-3" });
    let start = json!({ "requestId": id, "version": "$LATEST", "tracing": tracing });
    assert_eq!(find(&seen, "platform.start"), &start);
    let done = find(&seen, "platform.runtimeDone");
    assert_eq!(
        (&done["requestId"], &done["status"]),
        (&id, &json!("success"))
    );
    assert_eq!(done["metrics"]["producedBytes"], 1);
    assert_eq!(done["spans"][0]["name"], "responseLatency");
    let reported = find(&seen, "platform.report");
    assert_eq!(
        (&reported["requestId"], &reported["status"]),
        (&id, &json!("success"))
    );
    for metric in [
        "durationMs",
        "billedDurationMs",
        "memorySizeMB",
        "maxMemoryUsedMB",
    ] {
        assert!(reported["metrics"][metric].is_number(), "{metric}");
    }
    assert!(reported["metrics"]["initDurationMs"].is_number());
    // One connection carries all of it.
    world.handle.invoke(invocation("2")).await.unwrap();
    until(&mut records, "platform.report").await;
}

#[tokio::test]
async fn what_waits_is_delivered_before_the_instance_ends() {
    let (sender, mut records) = mpsc::unbounded_channel();
    let world = World::with_extensions(
        config(),
        spec("provided.al2023"),
        &["logger"],
        printing_echo,
        move |peer| subscriber(peer, sender.clone()),
    );
    world.handle.invoke(invocation("1")).await.unwrap();
    world.handle.settled().await;
    world.handle.stop();
    world.handle.stopped().await;
    until(&mut records, "platform.report").await;
}

#[tokio::test]
async fn a_subscriber_over_tcp_gets_one_document_a_line_even_when_it_listens_late() {
    let (sender, mut records) = mpsc::unbounded_channel();
    let sender = Arc::new(sender);
    let world = World::with_extensions(
        config(),
        spec("provided.al2023"),
        &["logger"],
        printing_echo,
        move |peer| {
            let sender = Arc::clone(&sender);
            async move {
                // A port that nobody listens on yet.
                let reserved = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = reserved.local_addr().unwrap();
                drop(reserved);
                let (mut client, id) = register(&peer).await;
                let body = wanted(json!({ "protocol": "TCP", "port": address.port() }));
                let said = put(&mut client, "/2020-08-15/logs", &id, {
                    let mut body = body;
                    body["schemaVersion"] = json!("2021-03-18");
                    body
                })
                .await;
                assert_eq!(said.status, 200, "{:?}", said.body);
                let take = async {
                    tokio::time::sleep(Duration::from_millis(80)).await;
                    let listener = TcpListener::bind(address).await.unwrap();
                    let (stream, _) = listener.accept().await.unwrap();
                    let mut lines = BufReader::new(stream).lines();
                    while let Ok(Some(line)) = lines.next_line().await {
                        drop(sender.send(serde_json::from_str(&line).unwrap()));
                    }
                };
                let hear = async {
                    loop {
                        next(&mut client, &id).await;
                    }
                };
                tokio::join!(take, hear);
                Exit::Code(0)
            }
        },
    );
    world.handle.invoke(invocation("1")).await.unwrap();
    let seen = until(&mut records, "platform.report").await;
    find(&seen, "platform.initStart");
    find(&seen, "function");
}

#[tokio::test]
async fn subscribers_that_take_nothing_lose_records_and_hold_up_nobody() {
    let (sender, mut records) = mpsc::unbounded_channel();
    let sender = Arc::new(sender);
    let runtime = |mut peer: Peer| async move {
        let mut client = Client::connect(peer.api).await;
        loop {
            let event = client.next().await;
            for _ in 0..60 {
                peer.print([&[b'x'; 16 * 1024][..], b"\n"].concat()).await;
            }
            client.respond(&event, "1").await;
        }
    };
    let spec = spec("provided.al2023");
    let world = World::with_extensions(config(), spec, &["logger"], runtime, move |peer| {
        let sender = Arc::clone(&sender);
        async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let (mut client, id) = register(&peer).await;
            let uri = format!("http://sandbox.localdomain:{port}");
            let body = wanted(json!({ "protocol": "HTTP", "URI": uri }));
            put(&mut client, "/2022-07-01/telemetry", &id, body).await;
            // Accepts and takes nothing until it is told that the instance ends.
            let (stream, _) = listener.accept().await.unwrap();
            while next(&mut client, &id).await["eventType"] != "SHUTDOWN" {}
            let taken = take_posts(stream, (*sender).clone());
            let _ = tokio::time::timeout(Duration::from_secs(1), taken).await;
            Exit::Code(0)
        }
    });
    for _ in 0..3 {
        let report = world.handle.invoke(invocation("1")).await.unwrap();
        assert_eq!(report.status, InvocationStatus::Success);
        world.handle.settled().await;
    }
    world.handle.stop();
    let seen = until(&mut records, "platform.logsDropped").await;
    let dropped = find(&seen, "platform.logsDropped");
    assert!(dropped["droppedRecords"].as_u64().unwrap() > 0, "{dropped}");
    assert!(
        dropped["droppedBytes"].as_u64().unwrap() > 16 * 1024,
        "{dropped}"
    );
    world.handle.stopped().await;
}

#[tokio::test]
async fn a_subscription_that_makes_no_sense_or_comes_late_is_refused() {
    let (sender, mut refusals) = mpsc::unbounded_channel();
    let world = World::with_extensions(
        config(),
        spec("provided.al2023"),
        &["logger"],
        printing_echo,
        move |peer| {
            let sender = sender.clone();
            async move {
                let (mut client, id) = register(&peer).await;
                let path = "/2022-07-01/telemetry";
                let good = wanted(json!({ "protocol": "TCP", "port": 4000 }));
                let bad = wanted(json!({ "protocol": "UDP", "port": 4000 }));
                let said = put(&mut client, path, &id, bad).await;
                sender.send(said.refusal()).unwrap();
                let stranger = kiln_types::RequestId::random().to_string();
                let said = put(&mut client, path, &stranger, good.clone()).await;
                sender.send(said.refusal()).unwrap();
                next(&mut client, &id).await;
                let said = put(&mut client, path, &id, good).await;
                sender.send(said.refusal()).unwrap();
                loop {
                    next(&mut client, &id).await;
                }
            }
        },
    );
    world.handle.invoke(invocation("1")).await.unwrap();
    let expected = [
        (400, "ValidationError"),
        (403, "Extension.UnknownExtensionIdentifier"),
        (403, "Telemetry.SubscriptionClosed"),
    ];
    for (status, class) in expected {
        let refusal = refusals.recv().await.unwrap();
        assert_eq!(refusal, (status, class.to_owned()));
    }
}
