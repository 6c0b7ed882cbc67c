//! A custom runtime from outside: what it is told, what its callers get, and what it cannot do.

mod hostile;
mod several;
mod slow;
mod streams;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use kiln_sandbox::Exit;
use kiln_types::{InvocationReport, InvocationStatus};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::testing::{Client, Peer, Said, World, config, invocation, spec};
use crate::{Config, Error};

fn document(report: &InvocationReport) -> Value {
    serde_json::from_slice(&report.payload).unwrap()
}

async fn echo(peer: Peer) -> Exit {
    Client::connect(peer.api).await.echo().await
}

/// What a runtime was told, for the test to look at.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<(u16, String)>>>);

impl Notes {
    fn add(&self, said: &Said) {
        self.0.lock().unwrap().push(said.refusal());
    }

    fn take(&self) -> Vec<(u16, String)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn refusals(expected: &[(u16, &str)]) -> Vec<(u16, String)> {
    let owned = expected
        .iter()
        .map(|(status, class)| (*status, (*class).to_owned()));
    owned.collect()
}

#[tokio::test]
async fn an_event_comes_with_aws_s_headers_and_its_answer_goes_to_the_caller() {
    let seen = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&seen);
    let world = World::custom(move |peer| {
        let keep = Arc::clone(&keep);
        async move {
            let mut client = Client::connect(peer.api).await;
            let event = client.next().await;
            client.respond(&event, "not JSON, and passed on").await;
            *keep.lock().unwrap() = Some(event);
            client.next().await;
            Exit::Code(0)
        }
    });
    let mut sent = invocation(r#"{"num1": 1}"#);
    sent.trace = Some("Root=1-2-3".to_owned());
    sent.client_context = Some("{\"custom\":\n{\"ö\":1}}".to_owned());
    sent.tenant = Some("Shop 7".parse().unwrap());
    let report = world.handle.invoke(sent.clone()).await.unwrap();
    assert_eq!(report.status, InvocationStatus::Success);
    assert_eq!(report.payload, "not JSON, and passed on");
    assert!(report.init.is_some());
    world.handle.settled().await;
    let event = seen.lock().unwrap().take().unwrap();
    assert_eq!(event.text(), r#"{"num1": 1}"#);
    assert_eq!(event.request_id(), sent.request_id);
    let arn = sent.invoked_arn.to_string();
    let expected = [
        ("content-type", "application/json"),
        ("lambda-runtime-invoked-function-arn", arn.as_str()),
        ("lambda-runtime-trace-id", "Root=1-2-3"),
        ("lambda-runtime-aws-tenant-id", "Shop 7"),
    ];
    for (name, value) in expected {
        assert_eq!(event.header(name), Some(value), "{name}");
    }
    let context = &event.headers["lambda-runtime-client-context"];
    assert_eq!(context.as_bytes(), "{\"custom\":{\"ö\":1}}".as_bytes());
    let deadline = event.header("lambda-runtime-deadline-ms").unwrap();
    let left = deadline.parse::<i64>().unwrap() - report.started.as_millis();
    // The clock is read once for either, and a busy machine lets time pass in between.
    assert!((900..=1_100).contains(&left), "{left}");
    assert!(event.header("lambda-runtime-invocation-id").is_some());
}

#[tokio::test]
async fn warm_invocations_follow_each_other() {
    let world = World::custom(echo);
    for number in 0..20 {
        let report = world.handle.invoke(invocation(&number.to_string())).await;
        let report = report.unwrap();
        assert_eq!(document(&report), json!({ "echo": number }));
        assert_eq!(report.init.is_some(), number == 0);
        world.handle.settled().await;
    }
    world.handle.freeze();
    world.handle.invoke(invocation("20")).await.unwrap();
    assert_eq!(*world.seen.calls.lock().unwrap(), ["freeze", "thaw"]);
    assert_eq!(world.seen.leases.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn init_ends_when_the_runtime_asks_for_its_first_event() {
    let world = World::custom(|mut peer: Peer| async move {
        peer.print("loading\n").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut client = Client::connect(peer.api).await;
        let event = client.next().await;
        peer.print("handling\n").await;
        client.respond(&event, "1").await;
        peer.print("tidying up\n").await;
        client.next().await;
        Exit::Code(0)
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert!(report.init.unwrap() >= Duration::from_millis(50));
    assert!(report.duration < Duration::from_millis(500));
    world.handle.settled().await;
    world.handle.stop();
    world.handle.stopped().await;
    let lines = world.sink.lines();
    let first_words: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.split(' ').next())
        .collect();
    let expected = ["loading", "START", "handling", "tidying", "END", "REPORT"];
    assert_eq!(first_words, expected);
}

#[tokio::test]
async fn an_error_passes_as_the_runtime_wrote_it() {
    let world = World::custom(|peer| async move {
        let mut client = Client::connect(peer.api).await;
        loop {
            let event = client.next().await;
            let headers = [("lambda-runtime-function-error-type", "Function.Mine")];
            let body = r#"{"errorMessage":"no","errorType":"Mine"}"#;
            let path = event.path("error");
            let said = client.send(Method::POST, &path, &headers, body).await;
            assert_eq!(said.status, 202);
        }
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.status, InvocationStatus::Error);
    assert_eq!(
        report.payload,
        r#"{"errorMessage":"no","errorType":"Mine"}"#
    );
    world.handle.settled().await;
    assert!(world.handle.invoke(invocation("2")).await.is_ok());
}

#[tokio::test]
async fn an_error_of_init_is_tried_once_more_and_then_passed_on() {
    let notes = Notes::default();
    let keep = notes.clone();
    let world = World::custom(move |peer| {
        let keep = keep.clone();
        async move {
            let mut client = Client::connect(peer.api).await;
            let headers = [(
                "lambda-runtime-function-error-type",
                "Runtime.NoSuchHandler",
            )];
            let body = r#"{"errorType":"Runtime.NoSuchHandler"}"#;
            let path = "/runtime/init/error";
            let said = client.send(Method::POST, path, &headers, body).await;
            assert_eq!(said.status, 202);
            keep.add(&client.post(path, body).await);
            keep.add(&client.get("/runtime/invocation/next").await);
            Exit::Code(1)
        }
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.status, InvocationStatus::InitError);
    assert_eq!(report.payload, r#"{"errorType":"Runtime.NoSuchHandler"}"#);
    world.handle.stopped().await;
    assert_eq!(world.seen.leases.load(Ordering::Relaxed), 2);
    let line = world.sink.lines().remove(0);
    assert!(
        line.ends_with("Status: error\tError Type: Runtime.NoSuchHandler"),
        "{line}"
    );
    // The first process is ended at once; whoever is left is refused.
    let refused = refusals(&[(403, "InvalidStateTransition"); 2]);
    assert!(refused.starts_with(&notes.take()));
}

#[tokio::test]
async fn answers_that_are_wrong_late_or_given_twice_are_refused_without_harm() {
    let notes = Notes::default();
    let keep = notes.clone();
    let world = World::custom(move |peer| {
        let keep = keep.clone();
        async move {
            let mut client = Client::connect(peer.api).await;
            let foreign = "/runtime/invocation/8f507cfc-e3c6-4b5c-b3d6-0d4a5a8b2f1e/response";
            keep.add(&client.post(foreign, "0").await);
            let first = client.next().await;
            keep.add(&client.post(foreign, "0").await);
            keep.add(&client.post("/runtime/init/error", "{}").await);
            client.respond(&first, "1").await;
            keep.add(&client.post(&first.path("response"), "2").await);
            keep.add(&client.post(&first.path("error"), "{}").await);
            let second = client.next().await;
            keep.add(&client.post(&first.path("response"), "3").await);
            let stale = [(
                "lambda-runtime-invocation-id",
                first.header("lambda-runtime-invocation-id").unwrap(),
            )];
            let path = second.path("response");
            keep.add(&client.send(Method::POST, &path, &stale, "4").await);
            let fresh = [(
                "lambda-runtime-invocation-id",
                second.header("lambda-runtime-invocation-id").unwrap(),
            )];
            let said = client.send(Method::POST, &path, &fresh, "5").await;
            assert_eq!(said.status, 202);
            std::future::pending().await
        }
    });
    let first = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(first.payload, "1");
    world.handle.settled().await;
    let second = world.handle.invoke(invocation("2")).await.unwrap();
    assert_eq!(second.payload, "5");
    let expected = [
        (400, "InvalidRequestID"),
        (400, "InvalidRequestID"),
        (403, "InvalidStateTransition"),
        (403, "InvalidStateTransition"),
        (403, "InvalidStateTransition"),
        (400, "InvalidRequestID"),
        (410, "InvokeTimeout"),
    ];
    assert_eq!(notes.take(), refusals(&expected));
}

#[tokio::test]
async fn a_runtime_that_lost_its_connection_gets_the_same_event_again() {
    let world = World::custom(|peer| async move {
        let lost = Client::connect(peer.api).await.next().await;
        let mut client = Client::connect(peer.api).await;
        let event = client.next().await;
        assert_eq!(lost.request_id(), event.request_id());
        client.respond(&event, event.text()).await;
        std::future::pending().await
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.payload, "1");
}

#[tokio::test]
async fn who_hangs_up_while_waiting_loses_no_event() {
    let world = World::custom(|peer| async move {
        let mut gone = Client::connect(peer.api).await;
        let waiting = gone.next();
        let waited = tokio::time::timeout(Duration::from_millis(50), waiting).await;
        assert!(waited.is_err(), "there is no event yet");
        drop(gone);
        echo(peer).await
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(document(&report), json!({ "echo": 1 }));
}

#[tokio::test]
async fn a_response_of_six_mebibytes_passes_and_a_longer_one_is_an_error_of_the_function() {
    let notes = Notes::default();
    let keep = notes.clone();
    let world = World::custom(move |peer| {
        let keep = keep.clone();
        async move {
            let mut client = Client::connect(peer.api).await;
            let first = client.next().await;
            let most = "x".repeat(6 * 1024 * 1024 + 100);
            client.respond(&first, &most).await;
            for kind in ["response", "error"] {
                let event = client.next().await;
                let body = format!("{most}x");
                keep.add(&client.post(&event.path(kind), body).await);
            }
            client.echo().await
        }
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.payload.len(), 6 * 1024 * 1024 + 100);
    for _ in ["response", "error"] {
        world.handle.settled().await;
        let report = world.handle.invoke(invocation("2")).await.unwrap();
        assert_eq!(report.status, InvocationStatus::Error);
        assert_eq!(
            document(&report)["errorType"],
            "Function.ResponseSizeTooLarge"
        );
    }
    world.handle.settled().await;
    assert_eq!(notes.take(), refusals(&[(413, "RequestEntityTooLarge"); 2]));
}

/// Sends these bytes on a connection of their own and gives what comes back.
async fn raw(peer: &Peer, bytes: &[u8]) -> String {
    let mut stream = tokio::net::TcpStream::connect(peer.api).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut said = vec![0; 4096];
    let read = stream.read(&mut said).await.unwrap_or(0);
    String::from_utf8_lossy(&said[..read]).into_owned()
}

fn streamed(event: &Said, trailers: &str) -> Vec<u8> {
    format!(
        "POST /2018-06-01{} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\
         Lambda-Runtime-Function-Response-Mode: streaming\r\n\
         Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n\
         3\r\none\r\n3\r\ntwo\r\n0\r\n{trailers}\r\n",
        event.path("response")
    )
    .into_bytes()
}

#[tokio::test]
async fn a_streamed_response_arrives_whole_or_as_the_error_of_its_trailers() {
    let world = World::custom(|peer| async move {
        let mut client = Client::connect(peer.api).await;
        let event = client.next().await;
        let said = raw(&peer, &streamed(&event, "")).await;
        assert!(said.starts_with("HTTP/1.1 202 "), "{said}");
        let event = client.next().await;
        // {"errorMessage":"late"}
        let trailers = "Lambda-Runtime-Function-Error-Type: Function.Late\r\n\
                        Lambda-Runtime-Function-Error-Body: eyJlcnJvck1lc3NhZ2UiOiJsYXRlIn0=\r\n";
        let said = raw(&peer, &streamed(&event, trailers)).await;
        assert!(said.starts_with("HTTP/1.1 202 "), "{said}");
        std::future::pending().await
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.payload, "onetwo");
    world.handle.settled().await;
    let report = world.handle.invoke(invocation("2")).await.unwrap();
    assert_eq!(report.status, InvocationStatus::Error);
    assert_eq!(report.payload, r#"{"errorMessage":"late"}"#);
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_names_no_known_mode_is_an_error_of_the_runtime() {
    let notes = Notes::default();
    let keep = notes.clone();
    let world = World::custom(move |peer| {
        let keep = keep.clone();
        async move {
            let mut client = Client::connect(peer.api).await;
            let event = client.next().await;
            let head = format!(
                "POST /2018-06-01{} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\npart",
                event.path("response")
            );
            let mut stream = tokio::net::TcpStream::connect(peer.api).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            drop(stream);
            // Until the broken connection was noticed the answer is still being read.
            let event = loop {
                let said = client.get("/runtime/invocation/next").await;
                if said.status == 200 && said.request_id() != event.request_id() {
                    break said;
                }
            };
            let mode = [("lambda-runtime-function-response-mode", "telepathic")];
            let path = event.path("response");
            keep.add(&client.send(Method::POST, &path, &mode, "1").await);
            client.echo().await
        }
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(document(&report)["errorType"], "Runtime.TruncatedResponse");
    world.handle.settled().await;
    let report = world.handle.invoke(invocation("2")).await.unwrap();
    assert_eq!(
        document(&report)["errorType"],
        "Runtime.InvalidResponseModeHeader"
    );
    world.handle.settled().await;
    assert_eq!(
        notes.take(),
        refusals(&[(400, "InvalidFunctionResponseMode")])
    );
}

#[tokio::test]
async fn what_the_api_does_not_have_is_not_found() {
    let notes = Notes::default();
    let keep = notes.clone();
    let world = World::custom(move |peer| {
        let keep = keep.clone();
        async move {
            let mut client = Client::connect(peer.api).await;
            assert_eq!(client.get("/ping").await.text(), "pong");
            keep.add(&client.get("/runtime/restore/next").await);
            keep.add(&client.get("/runtime/invocation/x/response/y").await);
            keep.add(&client.post("/runtime/invocation/next", "").await);
            keep.add(&client.get("/runtime/init/error").await);
            client.echo().await
        }
    });
    world.handle.invoke(invocation("1")).await.unwrap();
    let expected = [
        (404, "NotFound"),
        (404, "NotFound"),
        (405, "MethodNotAllowed"),
        (405, "MethodNotAllowed"),
    ];
    assert_eq!(notes.take(), refusals(&expected));
}

#[tokio::test]
async fn a_process_that_ends_is_reported_with_what_it_had_said_before() {
    let world = World::custom(|peer| async move {
        let mut client = Client::connect(peer.api).await;
        let event = client.next().await;
        // It does not wait for the response to its answer.
        let answer = format!(
            "POST /2018-06-01{} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nlast",
            event.path("response")
        );
        let mut stream = std::net::TcpStream::connect(peer.api).unwrap();
        std::io::Write::write_all(&mut stream, answer.as_bytes()).unwrap();
        Exit::Code(3)
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(
        (report.status, &report.payload[..]),
        (InvocationStatus::Success, &b"last"[..])
    );
    world.handle.stopped().await;
    let last = world.sink.lines().pop().unwrap();
    assert!(
        last.ends_with("Status: error\tError Type: Runtime.ExitError"),
        "{last}"
    );

    let world = World::custom(|peer| async move {
        Client::connect(peer.api).await.next().await;
        Exit::Code(3)
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(document(&report)["errorType"], "Runtime.ExitError");
}

#[tokio::test]
async fn time_that_runs_out_ends_the_instance_whether_it_has_answered_or_not() {
    let world = World::custom(|peer| async move {
        Client::connect(peer.api).await.next().await;
        std::future::pending().await
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.status, InvocationStatus::Timeout);

    let world = World::custom(|peer| async move {
        let mut client = Client::connect(peer.api).await;
        let event = client.next().await;
        client.respond(&event, "1").await;
        std::future::pending().await
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.payload, "1");
    assert_eq!(
        world.handle.invoke(invocation("2")).await.unwrap_err(),
        Error::Busy
    );
    let longer = world.handle.settled().await;
    assert_eq!(report.duration + longer, Duration::from_secs(1));
    world.handle.stopped().await;
    let lines = world.sink.lines();
    assert!(
        lines[1].ends_with("Task timed out after 1.00 seconds"),
        "{lines:?}"
    );
    assert!(lines[3].ends_with("Status: timeout"), "{lines:?}");
}
