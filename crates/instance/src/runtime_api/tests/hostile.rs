//! Runtimes that flood, stall and hoard: they harm themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kiln_sandbox::Exit;
use kiln_types::InvocationStatus;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{document, echo};
use crate::testing::{Client, Peer, World, config, invocation};

#[tokio::test]
async fn a_runtime_without_a_program_says_so() {
    let mut spec = crate::testing::spec("provided.al2023");
    spec.code_dir = "/nowhere".into();
    let world = World::new(config(), spec, echo);
    let wanted = invocation("1");
    let id = wanted.request_id;
    let report = world.handle.invoke(wanted).await.unwrap();
    assert_eq!(report.status, InvocationStatus::InitError);
    let why = "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]";
    let expected = json!({
        "errorType": "Runtime.InvalidEntrypoint",
        "errorMessage": format!("RequestId: {id} Error: {why}"),
    });
    assert_eq!(document(&report), expected);
    world.handle.stopped().await;
    let lines = world.sink.lines();
    let ending = "Phase: init\tStatus: error\tError Type: Runtime.InvalidEntrypoint";
    assert!(lines[0].ends_with(ending), "{lines:?}");
    let ending = "Status: error\tError Type: Runtime.InvalidEntrypoint";
    assert!(lines.last().unwrap().ends_with(ending), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn connections_that_say_nothing_do_not_keep_the_runtime_from_working() {
    let world = World::custom(|peer| async move {
        let mut silent = Vec::new();
        // Some that stall within a request, some that never begin one.
        for number in 0..30 {
            let mut stream = TcpStream::connect(peer.api).await.unwrap();
            if number % 2 == 0 {
                stream.write_all(b"GET /2018-06-01/ru").await.unwrap();
            }
            silent.push(stream);
        }
        echo(peer).await
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.status, InvocationStatus::Success);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn more_connections_than_allowed_wait_for_one_to_close() {
    let world = World::custom(|peer| async move {
        let mut silent = Vec::new();
        for _ in 0..32 {
            silent.push(TcpStream::connect(peer.api).await.unwrap());
        }
        let mut client = Client::connect(peer.api).await;
        let early = tokio::time::timeout(Duration::from_millis(500), client.get("/ping")).await;
        assert!(early.is_err(), "there is no room for it");
        drop((silent, client));
        echo(peer).await
    });
    // The runtime's own check failed unless it works.
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.status, InvocationStatus::Success, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_flood_of_requests_is_slowed_down_and_does_not_outrun_the_timeout() {
    let requests = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&requests);
    let world = World::custom(move |peer| {
        let count = Arc::clone(&count);
        async move {
            let mut client = Client::connect(peer.api).await;
            client.next().await;
            loop {
                client.get("/ping").await;
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.status, InvocationStatus::Timeout);
    // Sixteen at once, then one in ten milliseconds.
    let requests = requests.load(Ordering::Relaxed);
    assert!((16..150).contains(&requests), "{requests}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_flood_of_connections_does_not_outrun_the_timeout() {
    let world = World::custom(|peer: Peer| async move {
        Client::connect(peer.api).await.next().await;
        loop {
            drop(TcpStream::connect(peer.api).await);
            tokio::task::yield_now().await;
        }
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.status, InvocationStatus::Timeout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn an_endless_body_is_not_read_to_its_end() {
    let world = World::custom(|peer| async move {
        let mut client = Client::connect(peer.api).await;
        let event = client.next().await;
        let mut stream = TcpStream::connect(peer.api).await.unwrap();
        let head = format!(
            "POST /2018-06-01{} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
            event.path("response")
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let chunk = [&b"10000\r\n"[..], &[b'x'; 0x10000], b"\r\n"].concat();
        while stream.write_all(&chunk).await.is_ok() {}
        Exit::Code(0)
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    let class = &document(&report)["errorType"];
    assert_eq!(class, "Function.ResponseSizeTooLarge");
    world.handle.stopped().await;
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let world = World::custom(|peer| async move {
        let mut stream = TcpStream::connect(peer.api).await.unwrap();
        let line = format!("x: {}\r\n", "y".repeat(1000));
        let mut written = stream.write_all(b"GET /2018-06-01/ping HTTP/1.1\r\n").await;
        while written.is_ok() {
            written = stream.write_all(line.as_bytes()).await;
        }
        // The response may be lost: the connection is closed under what is still being sent.
        let mut said = String::new();
        let _ = stream.read_to_string(&mut said).await;
        assert!(said.is_empty() || said.contains(" 431 "), "{said}");
        echo(peer).await
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.status, InvocationStatus::Success);
}
