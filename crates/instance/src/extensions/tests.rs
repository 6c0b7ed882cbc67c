//! Extensions from outside: a sandbox in which Rust futures play the runtime and what runs beside it.

mod failing;
mod refusals;
mod shutdown;

use std::time::Duration;

use http::Method;
use kiln_sandbox::{Exit, Mount};
use kiln_types::InvocationStatus;
use serde_json::{Value, json};

use crate::testing::{Client, Peer, Said, World, config, invocation, spec};

/// An extension's connection and its id.
struct Extension {
    client: Client,
    id: String,
}

impl Extension {
    /// Registers for these events.
    async fn register(peer: &Peer, name: &str, events: &[&str]) -> Self {
        let mut client = Client::connect(peer.api).await;
        let said = register(&mut client, name, json!({ "events": events })).await;
        assert_eq!(said.status, 200, "{:?}", said.body);
        let id = said
            .header("lambda-extension-identifier")
            .unwrap()
            .to_owned();
        Self { client, id }
    }

    async fn send(&mut self, method: Method, path: &str) -> Said {
        let headers = [
            ("lambda-extension-identifier", self.id.as_str()),
            ("lambda-extension-function-error-type", "Extension.Mine"),
        ];
        let path = format!("/2020-01-01/extension/{path}");
        self.client.send(method, &path, &headers, "").await
    }

    /// Waits for the next event.
    async fn next(&mut self) -> Value {
        let said = self.send(Method::GET, "event/next").await;
        assert_eq!(said.status, 200, "{:?}", said.body);
        assert!(said.header("lambda-extension-event-identifier").is_some());
        serde_json::from_slice(&said.body).unwrap()
    }
}

async fn register(client: &mut Client, name: &str, body: Value) -> Said {
    let headers = [
        ("lambda-extension-name", name),
        ("lambda-extension-accept-feature", "accountId"),
    ];
    let path = "/2020-01-01/extension/register";
    client
        .send(Method::POST, path, &headers, body.to_string())
        .await
}

async fn echo(peer: Peer) -> Exit {
    Client::connect(peer.api).await.echo().await
}

/// A runtime on frames that answers every event, and ends when it is asked to.
async fn frames(mut peer: Peer) -> Exit {
    let terminated = peer.terminated.clone();
    let serve = async {
        peer.seen.note("runtime");
        peer.initialise().await;
        loop {
            let (id, _) = peer.event().await;
            peer.respond(&id, "1").await;
        }
    };
    tokio::select! {
        () = serve => Exit::Code(0),
        () = terminated.cancelled() => Exit::Code(0),
    }
}

/// A custom runtime that does.
async fn custom(peer: Peer) -> Exit {
    peer.seen.note("runtime");
    let client = Client::connect(peer.api).await;
    tokio::select! {
        exit = client.echo() => exit,
        () = peer.terminated.cancelled() => Exit::Code(0),
    }
}

/// Takes part in everything, notes what it is told, and ends when it is told to.
async fn witness(mut peer: Peer) -> Exit {
    tokio::time::sleep(Duration::from_millis(20)).await;
    let name = peer.name.clone();
    peer.seen.note(format!("{name} registers"));
    let mut extension = Extension::register(&peer, &name, &["INVOKE", "SHUTDOWN"]).await;
    peer.print(format!("{name} is here\n")).await;
    loop {
        let event = extension.next().await;
        match event["eventType"].as_str() {
            Some("INVOKE") => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                peer.seen.note(format!("{name} INVOKE"));
            }
            _ => {
                peer.seen
                    .note(format!("{name} {}", event["shutdownReason"]));
                return Exit::Code(0);
            }
        }
    }
}

#[tokio::test]
async fn runtime_begins_after_extensions_and_an_invocation_is_over_with_them() {
    for runtime in ["provided.al2023", "python3.11"] {
        let script = |peer: Peer| async move {
            match peer.name.as_str() {
                "python" => frames(peer).await,
                _ => custom(peer).await,
            }
        };
        let is_python = runtime.starts_with("python");
        let world = World::with_extensions(
            config(),
            spec(runtime),
            &["a", "b"],
            move |mut peer| {
                if is_python {
                    "python".clone_into(&mut peer.name);
                }
                script(peer)
            },
            witness,
        );
        for _ in 0..2 {
            let report = world.handle.invoke(invocation("1")).await.unwrap();
            assert_eq!(report.status, InvocationStatus::Success, "{runtime}");
            let longer = world.handle.settled().await;
            assert!(longer > Duration::from_millis(20), "{runtime}: {longer:?}");
        }
        let mut noted = world.seen.noted();
        noted[..2].sort_unstable();
        noted[3..5].sort_unstable();
        noted[5..].sort_unstable();
        let each = ["a INVOKE", "b INVOKE"];
        let expected = [&["a registers", "b registers", "runtime"][..], &each, &each];
        assert_eq!(noted, expected.concat(), "{runtime}");
        let lines = world.sink.lines();
        for expected in [
            "a is here",
            "EXTENSION\tName: b\tState: Ready\tEvents: [INVOKE, SHUTDOWN]",
        ] {
            assert!(lines.iter().any(|line| line == expected), "{lines:?}");
        }
        world.handle.kill();
        world.handle.stopped().await;
    }
}

#[tokio::test]
async fn extensions_are_told_which_function_they_serve_and_what_it_is_invoked_with() {
    let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
    let world = World::with_extensions(
        config(),
        spec("provided.al2023"),
        &["witness"],
        echo,
        move |peer| {
            let sender = sender.clone();
            async move {
                let mut client = Client::connect(peer.api).await;
                let body = json!({ "events": ["INVOKE"] });
                let said = register(&mut client, "witness", body).await;
                sender
                    .send(serde_json::from_slice(&said.body).unwrap())
                    .unwrap();
                let id = said
                    .header("lambda-extension-identifier")
                    .unwrap()
                    .to_owned();
                let mut extension = Extension { client, id };
                loop {
                    sender.send(extension.next().await).unwrap();
                }
            }
        },
    );
    let mut sent = invocation("1");
    sent.trace = Some("Root=1-2-3".to_owned());
    world.handle.invoke(sent.clone()).await.unwrap();
    let expected = json!({
        "functionName": "sum",
        "functionVersion": "$LATEST",
        "handler": "index.handler",
        "accountId": "000000000000",
    });
    assert_eq!(events.recv().await.unwrap(), expected);
    let event = events.recv().await.unwrap();
    let deadline = event["deadlineMs"].as_i64().unwrap();
    assert!(deadline > 1_700_000_000_000, "{event}");
    let expected = json!({
        "eventType": "INVOKE",
        "deadlineMs": deadline,
        "requestId": sent.request_id,
        "invokedFunctionArn": sent.invoked_arn.to_string(),
        "tracing": { "type": "X-Amzn-Trace-Id", "value": "Root=1-2-3" },
    });
    assert_eq!(event, expected);
}

#[tokio::test]
async fn internal_extension_hears_of_invocations_and_prolongs_them() {
    let world = World::of(|mut peer: Peer| async move {
        let (_, _, _) = peer.receive().await.unwrap();
        let mut extension = Extension::register(&peer, "inside", &["INVOKE"]).await;
        peer.send(17, json!({}), b"").await;
        let seen = std::sync::Arc::clone(&peer.seen);
        let hear = async {
            loop {
                extension.next().await;
                tokio::time::sleep(Duration::from_millis(50)).await;
                seen.note("heard");
            }
        };
        let serve = async {
            loop {
                let (id, _) = peer.event().await;
                peer.respond(&id, "1").await;
            }
        };
        tokio::join!(hear, serve).0
    });
    for count in 1..=2 {
        let report = world.handle.invoke(invocation("1")).await.unwrap();
        assert_eq!(report.status, InvocationStatus::Success);
        world.handle.settled().await;
        assert_eq!(world.seen.noted().len(), count);
    }
}

#[tokio::test]
async fn an_extension_without_events_holds_nothing_up() {
    // As the runtime crate for Rust does, to be asked to end.
    let world = World::custom(|peer| async move {
        let mut extension = Extension::register(&peer, "helper", &[]).await;
        let waits = extension.next();
        let serves = async { Client::connect(peer.api).await.echo().await };
        tokio::join!(waits, serves).1
    });
    for _ in 0..2 {
        let report = world.handle.invoke(invocation("1")).await.unwrap();
        assert_eq!(report.status, InvocationStatus::Success);
        world.handle.settled().await;
    }
}

#[tokio::test]
async fn init_lasts_until_every_extension_waits_for_its_first_event() {
    let world = World::with_extensions(
        config(),
        spec("provided.al2023"),
        &["slow"],
        echo,
        |peer| async move {
            let mut extension = Extension::register(&peer, "slow", &["INVOKE"]).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            loop {
                extension.next().await;
            }
        },
    );
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert!(report.init.unwrap() >= Duration::from_millis(100));
}

#[test]
fn external_extensions_are_the_files_of_all_layers_once_each() {
    let folder = tempfile::tempdir().unwrap();
    let layer = |name: &str, files: &[&str]| {
        let source = folder.path().join(name);
        std::fs::create_dir_all(source.join("extensions/a-folder")).unwrap();
        for file in files {
            std::fs::write(source.join("extensions").join(file), "").unwrap();
        }
        Mount {
            source,
            target: "/opt".into(),
        }
    };
    let code = Mount {
        target: "/var/task".into(),
        ..layer("code", &["not-this"])
    };
    let mounts = [code, layer("one", &["b", "c"]), layer("two", &["a", "b"])];
    assert_eq!(super::names(&mounts), ["a", "b", "c"]);
    assert_eq!(super::names(&mounts[..1]), [""; 0]);
}
