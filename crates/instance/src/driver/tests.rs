//! One instance from outside, over a runtime that is played by the test.

mod guard;
mod hostile;
mod restored;

use std::sync::{Arc, atomic::Ordering};
use std::time::Duration;

use kiln_sandbox::Exit;
use kiln_types::{InvocationReport, InvocationStatus};
use serde_json::{Value, json};

use crate::testing::{Peer, World, config, invocation, spec};
use crate::{Config, Error};

/// Answers every event with `{"echo": event}`.
async fn echo(mut peer: Peer) -> Exit {
    peer.initialise().await;
    loop {
        let (id, event) = peer.event().await;
        peer.print(format!("handling {event}\n")).await;
        peer.respond(&id, &format!(r#"{{"echo":{event}}}"#)).await;
    }
}

fn document(report: &InvocationReport) -> Value {
    serde_json::from_slice(&report.payload).unwrap()
}

/// Log lines without what differs from run to run.
fn shape(lines: &[String]) -> Vec<String> {
    let shorten = |line: &String| {
        let words = line.split([' ', '\t']);
        words
            .take_while(|word| *word != "RequestId:")
            .collect::<Vec<_>>()
            .join(" ")
    };
    lines.iter().map(shorten).collect()
}

#[tokio::test]
async fn the_first_invocation_reports_init_and_the_next_does_not() {
    let world = World::of(echo);
    let first = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(
        (first.status, document(&first)),
        (InvocationStatus::Success, json!({ "echo": 1 }))
    );
    assert!(first.init.is_some());
    assert_eq!(first.memory_peak_mb(), 35);
    let second = world.handle.invoke(invocation("2")).await.unwrap();
    assert_eq!(
        (second.init, document(&second)),
        (None, json!({ "echo": 2 }))
    );
    world.handle.stop();
    world.handle.stopped().await;
    let expected = [
        "START",
        "handling 1",
        "END",
        "REPORT",
        "START",
        "handling 2",
        "END",
        "REPORT",
    ];
    assert_eq!(shape(&world.sink.lines()), expected);
}

#[tokio::test]
async fn an_instance_says_when_it_is_ready_without_an_invocation() {
    let world = World::of(echo);
    world.handle.ready().await.unwrap();
    let first = world.handle.invoke(invocation("1")).await.unwrap();
    assert!(first.init.is_some(), "its init is still reported");
    let broken = World::of(|peer: Peer| async move {
        drop(peer);
        Exit::Code(1)
    });
    assert_eq!(broken.handle.ready().await, Err(Error::Lost));
}

#[tokio::test]
async fn output_of_init_is_told_from_that_of_the_handler_even_when_both_come_at_once() {
    let world = World::of(|mut peer: Peer| async move {
        let (_, _, _) = peer.receive().await.unwrap();
        let (id, _) = peer.event().await;
        peer.print("loading\n\u{0}").await;
        peer.print([&b"\xa5\x5a\xff\x01"[..], &[0; 12], b"handling\nunfinished"].concat())
            .await;
        // Both frames in one write: the daemon sees the end of both at the same moment.
        let header = json!({ "request_id": id }).to_string();
        let mut frames = b"\x00\x00\x00\x05\x11\x00\x00\x00\x00".to_vec();
        frames.extend(((5 + header.len() + 2) as u32).to_be_bytes());
        frames.push(19);
        frames.extend((header.len() as u32).to_be_bytes());
        frames.extend(header.as_bytes());
        frames.extend(b"{}");
        tokio::io::AsyncWriteExt::write_all(&mut peer.channel, &frames)
            .await
            .unwrap();
        std::future::pending().await
    });
    let mut wanted = invocation("{}");
    wanted.wants_log_tail = true;
    let report = world.handle.invoke(wanted).await.unwrap();
    let lines = shape(&world.sink.lines());
    assert_eq!(
        lines,
        [
            "loading",
            "\u{0}",
            "START",
            "handling",
            "unfinished",
            "END",
            "REPORT"
        ]
    );
    let tail = String::from_utf8(report.log_tail.unwrap().to_vec()).unwrap();
    assert_eq!(tail.lines().count(), 7, "{tail}");
}

#[tokio::test]
async fn an_error_document_passes_as_the_runtime_wrote_it() {
    let world = World::of(|mut peer: Peer| async move {
        peer.initialise().await;
        loop {
            let (id, _) = peer.event().await;
            let header = json!({ "request_id": id, "error_type": "ValueError" });
            peer.send(20, header, br#"{"errorMessage": "no"}"#).await;
        }
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.status, InvocationStatus::Error);
    assert_eq!(report.payload, r#"{"errorMessage": "no"}"#);
    assert!(!world.handle.is_stopped());
}

#[tokio::test]
async fn a_process_that_says_it_ends_gets_no_further_event() {
    let world = World::of(|mut peer: Peer| async move {
        peer.initialise().await;
        let (id, _) = peer.event().await;
        let header = json!({ "request_id": id, "error_type": "Error", "is_last": true });
        peer.send(20, header, br#"{"errorMessage": "late"}"#).await;
        // It takes its time, as a process with much to clear away does.
        std::future::pending().await
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.status, InvocationStatus::Error);
    assert_eq!(document(&report), json!({ "errorMessage": "late" }));
    let next = world.handle.invoke(invocation("2")).await;
    assert_eq!(next.unwrap_err(), Error::Lost);
    world.handle.stopped().await;
}

#[tokio::test]
async fn a_response_beyond_the_limit_is_an_error_of_the_function() {
    let world = World::of(|mut peer: Peer| async move {
        peer.initialise().await;
        let (id, _) = peer.event().await;
        peer.send(19, json!({ "request_id": id, "too_large": true }), b"")
            .await;
        std::future::pending().await
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.status, InvocationStatus::Error);
    assert_eq!(
        document(&report)["errorType"],
        "Function.ResponseSizeTooLarge"
    );
}

#[tokio::test]
async fn time_that_runs_out_ends_the_instance_and_says_so() {
    let world = World::of(|mut peer: Peer| async move {
        peer.initialise().await;
        peer.event().await;
        peer.print("thinking\n").await;
        std::future::pending().await
    });
    let mut slow = invocation("1");
    slow.wants_log_tail = true;
    let id = slow.request_id;
    let report = world.handle.invoke(slow).await.unwrap();
    assert_eq!(
        (report.status, report.duration),
        (InvocationStatus::Timeout, Duration::from_secs(1))
    );
    let expected = json!({
        "errorType": "Sandbox.Timedout",
        "errorMessage": format!("RequestId: {id} Error: Task timed out after 1.00 seconds"),
    });
    assert_eq!(document(&report), expected);
    world.handle.stopped().await;
    let lines = world.sink.lines();
    assert_eq!(lines[1], "thinking");
    assert!(
        lines[2].ends_with(&format!("Z {id} Task timed out after 1.00 seconds")),
        "{lines:?}"
    );
    assert!(lines[4].ends_with("\tStatus: timeout"), "{lines:?}");
    assert_eq!(
        world.handle.invoke(invocation("2")).await.unwrap_err(),
        Error::Lost
    );
}

#[tokio::test]
async fn a_process_that_ends_is_reported_with_its_status() {
    let table = [
        (
            Exit::Code(0),
            0,
            InvocationStatus::Crash,
            "Runtime.ExitError",
            "exited without providing a reason",
        ),
        (
            Exit::Code(3),
            0,
            InvocationStatus::Crash,
            "Runtime.ExitError",
            "error: exit status 3",
        ),
        (
            Exit::Signal(11),
            0,
            InvocationStatus::Crash,
            "Runtime.ExitError",
            "signal: segmentation fault",
        ),
        (
            Exit::Signal(9),
            1,
            InvocationStatus::OutOfMemory,
            "Runtime.OutOfMemory",
            "signal: killed",
        ),
        // A child was killed for memory, and the function then ended by itself.
        (
            Exit::Code(4),
            1,
            InvocationStatus::Crash,
            "Runtime.ExitError",
            "exit status 4",
        ),
    ];
    for (exit, kills, status, class, text) in table {
        let world = World::of(move |mut peer: Peer| async move {
            peer.initialise().await;
            peer.event().await;
            peer.seen
                .out_of_memory_kills
                .store(kills, Ordering::Relaxed);
            peer.print("last words").await;
            exit
        });
        let report = world.handle.invoke(invocation("1")).await.unwrap();
        assert_eq!(report.status, status);
        assert_eq!(report.memory_peak_bytes, 35 << 20);
        assert_eq!(report.cpu, Duration::from_millis(5));
        assert_eq!(document(&report)["errorType"], class);
        let message = document(&report)["errorMessage"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(message.ends_with(text), "{message}");
        world.handle.stopped().await;
        let lines = world.sink.lines();
        assert_eq!(lines[1], "last words");
        assert_eq!(lines[2], format!("{message}\n{class}"));
        assert!(
            lines[4].ends_with(&format!("\tStatus: error\tError Type: {class}")),
            "{lines:?}"
        );
    }
}

#[tokio::test]
async fn answers_with_other_ids_and_frames_out_of_order_are_ignored() {
    let world = World::of(|mut peer: Peer| async move {
        peer.send(16, json!({}), b"").await;
        peer.initialise().await;
        let (id, _) = peer.event().await;
        peer.respond(
            &json!("8f507cfc-e3c6-4b5c-b3d6-0d4a5a8b2f1e"),
            r#""forged""#,
        )
        .await;
        peer.send(17, json!({}), b"").await;
        peer.send(18, json!({ "error_type": "X" }), b"{}").await;
        peer.respond(&id, r#""true""#).await;
        peer.respond(&id, r#""twice""#).await;
        let (id, _) = peer.event().await;
        peer.respond(&id, r#""next""#).await;
        std::future::pending().await
    });
    assert_eq!(
        world.handle.invoke(invocation("1")).await.unwrap().payload,
        r#""true""#
    );
    assert_eq!(
        world.handle.invoke(invocation("2")).await.unwrap().payload,
        r#""next""#
    );
}

#[tokio::test]
async fn a_runtime_that_breaks_the_protocol_is_ended() {
    let world = World::of(|mut peer: Peer| async move {
        peer.initialise().await;
        peer.event().await;
        tokio::io::AsyncWriteExt::write_all(&mut peer.channel, &[0xff; 64])
            .await
            .unwrap();
        std::future::pending().await
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.status, InvocationStatus::Crash);
    assert_eq!(document(&report)["errorType"], "Runtime.Unknown");
    world.handle.stopped().await;
}

#[tokio::test]
async fn an_init_error_is_tried_once_more_and_then_passed_on() {
    let world = World::of(|mut peer: Peer| async move {
        peer.receive().await.unwrap();
        peer.print(format!("attempt {}\n", peer.lease)).await;
        let header = json!({ "error_type": "Runtime.ImportModuleError" });
        peer.send(18, header, br#"{"errorType":"Runtime.ImportModuleError"}"#)
            .await;
        Exit::Code(1)
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.status, InvocationStatus::InitError);
    assert_eq!(document(&report)["errorType"], "Runtime.ImportModuleError");
    world.handle.stopped().await;
    assert_eq!(world.seen.leases.load(Ordering::Relaxed), 2);
    let lines = world.sink.lines();
    let starts: Vec<&str> = lines
        .iter()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        starts,
        [
            "attempt",
            "INIT_REPORT",
            "attempt",
            "INIT_REPORT",
            "START",
            "END",
            "REPORT"
        ]
    );
    assert!(
        lines[1].ends_with("\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError")
    );
    assert!(lines[3].contains("\tPhase: invoke\t"));
}

#[tokio::test]
async fn an_init_that_is_too_slow_runs_again_on_the_invocation_s_time() {
    let config = Config {
        init_timeout: Duration::from_millis(50),
        ..config()
    };
    let world = World::new(config, spec("python3.11"), |peer: Peer| async move {
        if peer.lease == 1 {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        echo(peer).await
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.status, InvocationStatus::Success);
    assert_eq!(report.init, None);
    assert!(
        report.duration >= Duration::from_millis(100),
        "{:?}",
        report.duration
    );
    assert!(world.sink.lines()[0].ends_with("\tPhase: init\tStatus: timeout"));
}

#[tokio::test]
async fn a_frozen_instance_is_thawed_before_its_event_and_a_busy_one_is_not_frozen() {
    let world = World::of(echo);
    world.handle.invoke(invocation("1")).await.unwrap();
    world.handle.freeze();
    world.handle.freeze();
    world.handle.invoke(invocation("2")).await.unwrap();
    assert_eq!(*world.seen.calls.lock().unwrap(), ["freeze", "thaw"]);
}

#[tokio::test]
async fn one_invocation_runs_at_a_time_and_a_stop_lets_it_finish() {
    let release = Arc::new(tokio::sync::Notify::new());
    let gate = Arc::clone(&release);
    let world = World::of(move |mut peer: Peer| {
        let gate = Arc::clone(&gate);
        async move {
            peer.initialise().await;
            let (id, _) = peer.event().await;
            gate.notified().await;
            peer.respond(&id, "1").await;
            std::future::pending().await
        }
    });
    let (first, ()) = tokio::join!(world.handle.invoke(invocation("1")), async {
        let second = world.handle.invoke(invocation("2")).await;
        assert_eq!(second.unwrap_err(), Error::Busy);
        world.handle.stop();
        tokio::task::yield_now().await;
        release.notify_one();
    });
    assert_eq!(first.unwrap().status, InvocationStatus::Success);
    world.handle.stopped().await;
}

#[tokio::test]
async fn a_kill_does_not_wait_for_the_invocation() {
    let world = World::of(|mut peer: Peer| async move {
        peer.initialise().await;
        peer.event().await;
        std::future::pending().await
    });
    let (killed, ()) = tokio::join!(world.handle.invoke(invocation("1")), async {
        // Its start is the first line of the log.
        while world.sink.lines().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        world.handle.kill();
    });
    let report = killed.unwrap();
    assert_eq!(report.status, InvocationStatus::Crash);
    assert_eq!(document(&report)["errorType"], "Runtime.ExitError");
    world.handle.stopped().await;
}

#[tokio::test]
async fn a_caller_that_goes_away_cancels_nothing() {
    let world = World::of(echo);
    world.handle.invoke(invocation("1")).await.unwrap();
    tokio::select! {
        biased;
        _ = world.handle.invoke(invocation("2")) => panic!("it cannot be done before it began"),
        () = tokio::task::yield_now() => {}
    }
    // The instance is in a known state: busy with it, or done with it.
    loop {
        match world.handle.invoke(invocation("3")).await {
            Ok(report) => break assert_eq!(document(&report), json!({ "echo": 3 })),
            Err(error) => assert_eq!(error, Error::Busy),
        }
    }
    let lines = world.sink.lines();
    assert!(lines.contains(&"handling 2".to_owned()), "{lines:?}");
}

#[tokio::test]
async fn an_instance_without_handles_stops() {
    let World { handle, seen, .. } = World::of(echo);
    handle.invoke(invocation("1")).await.unwrap();
    drop(handle);
    let gone = async {
        while Arc::strong_count(&seen) > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_runtime_that_is_not_installed_is_named() {
    for runtime in ["nodejs22.x", "python3.12", "java21"] {
        let world = World::new(config(), spec(runtime), echo);
        let error = world.handle.invoke(invocation("1")).await.unwrap_err();
        let text = format!("Runtime {runtime} is not installed on this server");
        assert_eq!(error, Error::StartFailed(text));
        world.handle.stopped().await;
    }
}

#[tokio::test]
async fn init_has_a_whole_core_and_invocations_the_share_of_their_memory() {
    let world = World::of(echo);
    world.handle.invoke(invocation("1")).await.unwrap();
    world.handle.invoke(invocation("2")).await.unwrap();
    let share = spec("python3.11").configuration.memory.cpu_millis();
    assert!(share < 1_000);
    assert_eq!(*world.seen.cpu_millis.lock().unwrap(), [1_000, share]);
}
