//! Functions that flood, linger and forge: what they do ends with them.

use std::time::Duration;

use kiln_sandbox::Exit;
use kiln_types::{InvocationReport, InvocationStatus};

use super::document;
use crate::testing::{Peer, World, config, invocation, spec};
use crate::{Config, Error};

/// What a function that floods its runtime's channel does.
async fn flood(mut stream: tokio::net::UnixStream, bytes: &[u8]) -> Exit {
    use tokio::io::AsyncWriteExt as _;
    while stream.write_all(bytes).await.is_ok() {}
    std::future::pending().await
}

/// Four threads that write to the function's output, so that there always is some to read.
fn flood_output(output: tokio::net::unix::pipe::Sender) {
    use std::io::Write as _;
    let file = std::fs::File::from(output.into_blocking_fd().unwrap());
    for _ in 0..4 {
        let mut file = file.try_clone().unwrap();
        std::thread::spawn(move || while file.write_all(&[b'x'; 64 * 1024]).is_ok() {});
    }
}

/// A frame of the channel without a body.
fn frame(kind: u8, header: &str) -> Vec<u8> {
    let mut bytes = (5 + header.len() as u32).to_be_bytes().to_vec();
    bytes.push(kind);
    bytes.extend((header.len() as u32).to_be_bytes());
    bytes.extend(header.as_bytes());
    bytes
}

/// Invokes a function that goes on for ever, and must not be allowed to.
async fn end_of(world: &World) -> InvocationReport {
    let patience = Duration::from_secs(10);
    let report = tokio::time::timeout(patience, world.handle.invoke(invocation("1"))).await;
    let stopped = tokio::time::timeout(patience, world.handle.stopped()).await;
    stopped.expect("the instance ends");
    report.expect("the invocation ends").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_flood_of_output_does_not_outrun_the_timeout() {
    let world = World::of(|mut peer: Peer| async move {
        peer.initialise().await;
        peer.event().await;
        let Peer {
            output, channel, ..
        } = peer;
        let _channel = channel;
        flood_output(output);
        std::future::pending().await
    });
    let report = end_of(&world).await;
    assert_eq!(document(&report)["errorType"], "Sandbox.Timedout");
    assert_eq!(report.duration, Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_flood_of_frames_ends_the_instance_before_the_timeout() {
    let foreign = r#"{"request_id":"8f507cfc-e3c6-4b5c-b3d6-0d4a5a8b2f1e"}"#;
    for (kind, header) in [(16, "{}"), (17, ""), (18, ""), (19, foreign), (20, foreign)] {
        let world = World::of(move |mut peer: Peer| async move {
            peer.initialise().await;
            peer.event().await;
            let Peer {
                output, channel, ..
            } = peer;
            let _output = output;
            flood(channel, &frame(kind, header).repeat(1000)).await
        });
        let report = end_of(&world).await;
        assert_eq!(document(&report)["errorType"], "Runtime.Unknown", "{kind}");
        assert!(report.duration < Duration::from_secs(1), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_flood_during_init_does_not_outrun_the_timeout() {
    for on_the_channel in [false, true] {
        let config = Config {
            init_timeout: Duration::from_millis(500),
            ..config()
        };
        let world = World::new(
            config,
            spec("python3.11"),
            move |mut peer: Peer| async move {
                // An instance that breaks before its invocation arrives is lost, not failed.
                peer.receive().await;
                peer.event().await;
                let Peer {
                    output, channel, ..
                } = peer;
                match on_the_channel {
                    true => flood(channel, &frame(16, "").repeat(1000)).await,
                    false => {
                        let _channel = channel;
                        flood_output(output);
                        std::future::pending().await
                    }
                }
            },
        );
        let report = end_of(&world).await;
        let expected = match on_the_channel {
            true => InvocationStatus::InitError,
            false => InvocationStatus::Timeout,
        };
        assert_eq!(report.status, expected);
    }
}

#[tokio::test]
async fn an_answer_that_came_before_the_alarm_counts() {
    // The timer and the answer are there at the same moment: the only worker was kept busy.
    let world = World::of(|mut peer: Peer| async move {
        peer.initialise().await;
        let (id, _) = peer.event().await;
        peer.respond(&id, "1").await;
        std::thread::sleep(Duration::from_millis(1100));
        std::future::pending().await
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.status, InvocationStatus::Success);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_process_left_behind_does_not_hold_its_instance() {
    let world = World::of(|mut peer: Peer| async move {
        peer.initialise().await;
        peer.event().await;
        let Peer { channel, seen, .. } = peer;
        // A child that has fd 3 too: one frame that never ends, until everything is killed.
        std::thread::spawn(move || {
            use std::io::Write as _;
            let mut channel = channel.into_std().unwrap();
            channel.set_nonblocking(false).unwrap();
            let mut bytes = (6_u32 << 20).to_be_bytes().to_vec();
            while channel.write_all(&bytes).is_ok() && seen.calls.lock().unwrap().is_empty() {
                bytes = vec![0; 4 * 1024];
            }
        });
        Exit::Code(0)
    });
    let report = end_of(&world).await;
    assert_eq!(document(&report)["errorType"], "Runtime.ExitError");
    assert_eq!(world.seen.calls.lock().unwrap()[0], "kill");
}

#[tokio::test]
async fn output_behind_a_forged_end_of_init_is_not_kept_for_ever() {
    let world = World::of(|mut peer: Peer| async move {
        peer.print([&b"\xa5\x5a\xff\x01"[..], &[0; 12]].concat())
            .await;
        let line = format!("{}\n", "x".repeat(1023));
        for _ in 0..3 << 10 {
            peer.print(&line).await;
        }
        std::future::pending().await
    });
    let logged = async {
        while world.sink.lines().len() < 2 << 10 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let logged = tokio::time::timeout(Duration::from_secs(5), logged).await;
    logged.expect("at most a mebibyte of three waits");
}

#[tokio::test]
async fn an_invocation_whose_task_failed_may_have_run() {
    let world = World::of(|mut peer: Peer| {
        assert_eq!(peer.lease, 1, "the task fails when it leases again");
        async move {
            peer.receive().await;
            peer.event().await;
            Exit::Code(1)
        }
    });
    let error = world.handle.invoke(invocation("1")).await.unwrap_err();
    assert_eq!(error, Error::Unknown);
}
