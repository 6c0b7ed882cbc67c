//! The farewell of an instance with extensions.

use kiln_types::{Clock, Moment, SystemClock};

use super::*;

fn with_witness<F>(script: impl Fn(Peer) -> F + Send + Sync + 'static) -> World
where
    F: Future<Output = Exit> + Send + 'static,
{
    let spec = spec("provided.al2023");
    World::with_extensions(config(), spec, &["w"], script, witness)
}

/// What was noted after the invocation.
async fn farewell(world: &World) -> Vec<String> {
    world.handle.stopped().await;
    let noted = world.seen.noted();
    let since = noted.iter().position(|note| note == "terminate");
    noted[since.unwrap_or(noted.len())..].to_vec()
}

#[tokio::test]
async fn the_runtime_is_asked_to_end_and_then_extensions_are_told() {
    let world = with_witness(custom);
    world.handle.invoke(invocation("1")).await.unwrap();
    world.handle.settled().await;
    world.handle.freeze();
    world.handle.stop();
    assert_eq!(farewell(&world).await, ["terminate", r#"w "spindown""#]);
    let calls = world.seen.calls.lock().unwrap().clone();
    // The order in which freeze and stop are seen is not given.
    let calls: Vec<_> = calls.iter().filter(|call| **call != "freeze").collect();
    assert!(
        calls == [&"thaw", &"kill"] || calls == [&"kill"],
        "{calls:?}"
    );
}

#[tokio::test]
async fn a_runtime_that_does_not_end_is_killed_before_extensions_are_told() {
    let world = with_witness(|peer| async move {
        peer.seen.note("runtime");
        echo(peer).await
    });
    world.handle.invoke(invocation("1")).await.unwrap();
    world.handle.settled().await;
    world.handle.stop();
    let expected = ["terminate", "kill runtime", r#"w "spindown""#];
    assert_eq!(farewell(&world).await, expected);
}

#[tokio::test]
async fn a_timeout_is_answered_before_the_farewell_that_it_causes() {
    let world = with_witness(|peer| async move {
        let mut client = Client::connect(peer.api).await;
        client.next().await;
        peer.terminated.cancelled().await;
        Exit::Code(0)
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.status, InvocationStatus::Timeout);
    assert_eq!(farewell(&world).await, ["terminate", r#"w "timeout""#]);
}

#[tokio::test]
async fn a_runtime_that_ends_is_a_failure_that_extensions_hear_of() {
    let world = with_witness(|peer| async move {
        let mut client = Client::connect(peer.api).await;
        client.next().await;
        Exit::Code(7)
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.status, InvocationStatus::Crash);
    let document: Value = serde_json::from_slice(&report.payload).unwrap();
    assert_eq!(document["errorType"], "Runtime.ExitError");
    world.handle.stopped().await;
    let noted = world.seen.noted();
    assert_eq!(noted.last().unwrap(), r#"w "failure""#, "{noted:?}");
    assert!(!noted.contains(&"terminate".to_owned()));
}

#[tokio::test]
async fn extensions_that_do_not_end_or_do_not_want_to_know_are_killed() {
    let spec = spec("provided.al2023");
    let names = ["deaf", "stubborn"];
    let world = World::with_extensions(config(), spec, &names, custom, |peer| async move {
        let events: &[&str] = match peer.name.as_str() {
            "stubborn" => &["SHUTDOWN"],
            _ => &["INVOKE"],
        };
        let name = peer.name.clone();
        let mut extension = Extension::register(&peer, &name, events).await;
        loop {
            let event = extension.next().await;
            peer.seen.note(format!("{name} {}", event["eventType"]));
        }
    });
    world.handle.invoke(invocation("1")).await.unwrap();
    world.handle.settled().await;
    let clock = SystemClock::start();
    world.handle.stop();
    let noted = farewell(&world).await;
    assert_eq!(noted, ["terminate", r#"stubborn "SHUTDOWN""#]);
    assert!(clock.now().since(Moment::default()) >= Duration::from_secs(2));
}

#[tokio::test]
async fn where_extensions_are_internal_only_the_runtime_is_asked_to_end() {
    let world = World::custom(|peer| async move {
        let mut extension = Extension::register(&peer, "inside", &[]).await;
        let waits = extension.next();
        let serves = async { Client::connect(peer.api).await.echo().await };
        tokio::select! {
            _ = waits => Exit::Code(1),
            exit = serves => exit,
            () = peer.terminated.cancelled() => {
                peer.seen.note("tidied up");
                Exit::Code(0)
            }
        }
    });
    world.handle.invoke(invocation("1")).await.unwrap();
    world.handle.settled().await;
    world.handle.stop();
    assert_eq!(farewell(&world).await, ["terminate", "tidied up"]);
}

#[tokio::test]
async fn without_extensions_there_is_no_farewell() {
    let world = World::custom(echo);
    world.handle.invoke(invocation("1")).await.unwrap();
    world.handle.settled().await;
    world.handle.stop();
    world.handle.stopped().await;
    assert_eq!(world.seen.noted(), [""; 0]);
    let calls = world.seen.calls.lock().unwrap().clone();
    assert!(calls.iter().all(|call| *call == "kill"), "{calls:?}");
}
