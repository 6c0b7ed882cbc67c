//! Answers that their callers read while the runtime makes them.

use std::future::poll_fn;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::*;
use crate::response::{Part, Parts, response};

/// The beginning of a streamed answer, on a connection of its own.
async fn begin(peer: &Peer, event: &Said) -> TcpStream {
    let mut stream = TcpStream::connect(peer.api).await.unwrap();
    let head = format!(
        "POST /2018-06-01{} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\
         Lambda-Runtime-Function-Response-Mode: streaming\r\n\
         Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n",
        event.path("response")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

async fn piece(stream: &mut TcpStream, bytes: &[u8]) {
    let size = format!("{:x}\r\n", bytes.len());
    let chunk = [size.as_bytes(), bytes, b"\r\n"].concat();
    stream.write_all(&chunk).await.unwrap();
}

/// Ends it, and gives what was answered.
async fn end(mut stream: TcpStream, trailers: &str) -> String {
    let end = format!("0\r\n{trailers}\r\n");
    stream.write_all(end.as_bytes()).await.unwrap();
    let mut said = vec![0; 4096];
    let read = stream.read(&mut said).await.unwrap_or(0);
    String::from_utf8_lossy(&said[..read]).into_owned()
}

async fn next(parts: &mut Parts) -> Option<Part> {
    let within = Duration::from_secs(5);
    let next = poll_fn(|context| parts.poll_next(context));
    tokio::time::timeout(within, next).await.unwrap()
}

fn body(text: &'static str) -> Option<Part> {
    Some(Part::Body(Bytes::from_static(text.as_bytes())))
}

#[tokio::test]
async fn a_piece_reaches_the_caller_before_the_answer_has_ended() {
    let (go_on, seen) = oneshot::channel::<()>();
    let seen = Arc::new(Mutex::new(Some(seen)));
    let world = World::custom(move |peer| {
        let seen = seen.lock().unwrap().take();
        async move {
            let mut client = Client::connect(peer.api).await;
            let event = client.next().await;
            let mut stream = begin(&peer, &event).await;
            piece(&mut stream, b"one").await;
            seen.unwrap().await.unwrap();
            piece(&mut stream, b"two").await;
            let said = end(stream, "").await;
            assert!(said.starts_with("HTTP/1.1 202 "), "{said}");
            client.next().await;
            Exit::Code(0)
        }
    });
    let (sink, mut parts) = response();
    let reading = async {
        let content_type = Some("text/plain".to_owned());
        assert_eq!(next(&mut parts).await, Some(Part::Head { content_type }));
        assert_eq!(next(&mut parts).await, body("one"));
        go_on.send(()).unwrap();
        assert_eq!(next(&mut parts).await, body("two"));
    };
    let (report, ()) = tokio::join!(world.handle.stream(invocation("1"), sink), reading);
    let report = report.unwrap();
    assert_eq!(report.status, InvocationStatus::Success);
    assert_eq!(report.payload, "", "it was passed on");
}

#[tokio::test]
async fn an_answer_that_is_not_streamed_comes_whole() {
    let world = World::custom(echo);
    let (sink, mut parts) = response();
    let report = world.handle.stream(invocation("1"), sink).await.unwrap();
    assert_eq!(document(&report), json!({ "echo": 1 }));
    assert_eq!(next(&mut parts).await, None);
}

#[tokio::test]
async fn an_error_in_the_trailers_comes_after_what_was_streamed() {
    let world = World::custom(|peer| async move {
        let mut client = Client::connect(peer.api).await;
        let event = client.next().await;
        let mut stream = begin(&peer, &event).await;
        piece(&mut stream, b"half").await;
        // {"errorMessage":"late"}
        let trailers = "Lambda-Runtime-Function-Error-Type: Function.Late\r\n\
                        Lambda-Runtime-Function-Error-Body: eyJlcnJvck1lc3NhZ2UiOiJsYXRlIn0=\r\n";
        let said = end(stream, trailers).await;
        assert!(said.starts_with("HTTP/1.1 202 "), "{said}");
        std::future::pending().await
    });
    let (sink, mut parts) = response();
    let report = world.handle.stream(invocation("1"), sink).await.unwrap();
    assert_eq!(report.status, InvocationStatus::Error);
    assert_eq!(report.payload, r#"{"errorMessage":"late"}"#);
    next(&mut parts).await.unwrap();
    assert_eq!(next(&mut parts).await, body("half"));
}

#[tokio::test]
async fn a_runtime_that_ends_in_the_middle_is_the_end_of_its_answer() {
    let world = World::custom(|peer| async move {
        let mut client = Client::connect(peer.api).await;
        let event = client.next().await;
        let mut stream = begin(&peer, &event).await;
        piece(&mut stream, b"half").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        Exit::Code(3)
    });
    let (sink, mut parts) = response();
    let report = world.handle.stream(invocation("1"), sink).await.unwrap();
    assert!(report.status.function_error().is_some(), "{report:?}");
    next(&mut parts).await.unwrap();
    assert_eq!(next(&mut parts).await, body("half"));
}

#[tokio::test]
async fn time_that_is_up_ends_an_answer_that_goes_on() {
    let world = World::custom(|peer| async move {
        let mut client = Client::connect(peer.api).await;
        let event = client.next().await;
        let mut stream = begin(&peer, &event).await;
        loop {
            piece(&mut stream, b"more").await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let (sink, mut parts) = response();
    let report = world.handle.stream(invocation("1"), sink).await.unwrap();
    assert_eq!(report.status, InvocationStatus::Timeout);
    assert_eq!(report.duration, Duration::from_secs(1));
    next(&mut parts).await.unwrap();
    assert_eq!(next(&mut parts).await, body("more"));
}

#[tokio::test]
async fn a_runtime_waits_for_a_caller_who_is_slow_and_not_for_one_who_is_gone() {
    let written = Arc::new(Mutex::new(0));
    let count = Arc::clone(&written);
    let world = World::custom(move |peer| {
        let count = Arc::clone(&count);
        async move {
            let mut client = Client::connect(peer.api).await;
            let event = client.next().await;
            let mut stream = begin(&peer, &event).await;
            for _ in 0..256 {
                piece(&mut stream, &[b'x'; 128 * 1024]).await;
                *count.lock().unwrap() += 1;
            }
            let said = end(stream, "").await;
            assert!(said.starts_with("HTTP/1.1 202 "), "{said}");
            client.next().await;
            Exit::Code(0)
        }
    });
    let (sink, parts) = response();
    let leaving = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let before = *written.lock().unwrap();
        assert!(before < 128, "{before} pieces were taken that nobody read");
        drop(parts);
    };
    let (report, ()) = tokio::join!(world.handle.stream(invocation("1"), sink), leaving);
    assert_eq!(report.unwrap().status, InvocationStatus::Success);
    assert_eq!(*written.lock().unwrap(), 256);
}
