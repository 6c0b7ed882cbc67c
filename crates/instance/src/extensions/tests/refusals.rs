//! What extensions may not do, with the codes and classes of AWS.

use std::sync::{Arc, Mutex};

use super::*;

#[tokio::test]
async fn what_cannot_be_is_refused_with_aws_s_classes() {
    let refusals = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&refusals);
    let world = World::custom(move |peer| {
        let keep = Arc::clone(&keep);
        async move {
            let mut client = Client::connect(peer.api).await;
            for (name, body) in [
                ("", json!({ "events": [] })),
                ("x", json!("no object")),
                ("x", json!({ "events": [], "configurationKeys": ["a"] })),
                ("x", json!({ "events": ["PAUSE"] })),
                ("x", json!({ "events": ["SHUTDOWN"] })),
            ] {
                let said = register(&mut client, name, body).await;
                keep.lock().unwrap().push(said.refusal());
            }
            let mut known = Extension::register(&peer, "x", &["INVOKE"]).await;
            let again = register(&mut client, "x", json!({ "events": [] })).await;
            keep.lock().unwrap().push(again.refusal());
            let next = "/2020-01-01/extension/event/next";
            let identifier = "lambda-extension-identifier";
            let stranger = kiln_types::RequestId::random().to_string();
            let tries: [&[(&str, &str)]; 3] = [
                &[],
                &[(identifier, "me")],
                &[(identifier, stranger.as_str())],
            ];
            for headers in tries {
                let said = client.send(Method::GET, next, headers, "").await;
                keep.lock().unwrap().push(said.refusal());
            }
            let path = "/2020-01-01/extension/exit/error";
            let headers = [(identifier, known.id.as_str())];
            let said = client.send(Method::POST, path, &headers, "").await;
            keep.lock().unwrap().push(said.refusal());
            let waits = known.next();
            let serves = async {
                let event = client.next().await;
                let late = register(&mut client, "late", json!({ "events": [] })).await;
                keep.lock().unwrap().push(late.refusal());
                client.respond(&event, "1").await;
            };
            tokio::join!(waits, serves);
            std::future::pending().await
        }
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.status, InvocationStatus::Success);
    let seen = std::mem::take(&mut *refusals.lock().unwrap());
    let classes = [
        "Extension.InvalidExtensionName",
        "InvalidRequestFormat",
        "InvalidRequestFormat",
        "Extension.InvalidEventType",
        "Extension.InvalidEventType",
        "Extension.InvalidExtensionState",
        "Extension.MissingExtensionIdentifier",
        "Extension.InvalidExtensionIdentifier",
        "Extension.UnknownExtensionIdentifier",
        "Extension.MissingHeader",
        "Extension.RegistrationClosed",
    ];
    let expected = classes.map(|class| (403, class.to_owned()));
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn no_more_than_ten_register() {
    let world = World::custom(|peer| async move {
        let mut client = Client::connect(peer.api).await;
        let mut answers = Vec::new();
        for number in 0..11 {
            let name = format!("e{number}");
            let said = register(&mut client, &name, json!({ "events": [] })).await;
            answers.push(said.status);
        }
        let document = format!("{answers:?}");
        let headers = [("lambda-runtime-function-error-type", "Runtime.Told")];
        let path = "/runtime/init/error";
        client.send(Method::POST, path, &headers, document).await;
        std::future::pending().await
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    let expected: Vec<u16> = [200; 10].into_iter().chain([403]).collect();
    assert_eq!(report.payload, format!("{expected:?}"));
}

#[tokio::test]
async fn runtimes_on_frames_have_no_runtime_api_to_be_disturbed_by() {
    let world = World::of(|mut peer: Peer| async move {
        peer.initialise().await;
        let mut client = Client::connect(peer.api).await;
        let said = client.get("/runtime/invocation/next").await;
        let (id, _) = peer.event().await;
        peer.respond(&id, &said.status.to_string()).await;
        std::future::pending().await
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.payload, "404");
}
