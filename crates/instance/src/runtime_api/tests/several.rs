//! A custom runtime that takes several events at a time.

use kiln_types::Slots;

use super::*;
use crate::Spec;

fn sharing(slots: u64) -> Spec {
    let mut spec = spec("provided.al2023");
    Arc::make_mut(&mut spec.configuration).slots = Slots::new(slots).unwrap();
    spec
}

/// Three workers with an event each.
async fn three(peer: &Peer) -> ([Client; 3], [Said; 3]) {
    let connect = || Client::connect(peer.api);
    let (mut a, mut b, mut c) = tokio::join!(connect(), connect(), connect());
    let (x, y, z) = tokio::join!(a.next(), b.next(), c.next());
    ([a, b, c], [x, y, z])
}

/// What three invocations that come at once are answered.
async fn invoke_three(world: &World) -> [InvocationReport; 3] {
    let invoke = |event| world.handle.invoke(invocation(event));
    let (a, b, c) = tokio::join!(invoke("1"), invoke("2"), invoke("3"));
    [a.unwrap(), b.unwrap(), c.unwrap()]
}

#[tokio::test]
async fn events_are_taken_together_and_answered_in_any_order() {
    let world = World::new(config(), sharing(3), |peer| async move {
        let ([mut a, mut b, mut c], [x, y, z]) = three(&peer).await;
        for (client, event) in [(&mut c, &z), (&mut a, &x), (&mut b, &y)] {
            let echo = format!("{{\"echo\":{}}}", event.text());
            client.respond(event, &echo).await;
        }
        let twice = b.post(&y.path("response"), "again").await;
        assert_eq!(twice.refusal(), (400, "InvalidRequestID".to_owned()));
        tokio::join!(a.next(), b.next(), c.next());
        Exit::Code(0)
    });
    let reports = invoke_three(&world).await;
    for (nth, report) in reports.iter().enumerate() {
        assert_eq!(document(report), json!({ "echo": nth + 1 }));
    }
    assert_eq!(reports.iter().filter(|one| one.init.is_some()).count(), 1);
    let cpu: Duration = reports.iter().map(|one| one.cpu).sum();
    let used = Duration::from_millis(5);
    assert!(
        used - cpu < Duration::from_micros(1),
        "counted once: {cpu:?}"
    );
    let shares: Duration = reports.iter().map(|one| one.share.unwrap()).sum();
    let longest = reports.iter().map(|one| one.duration).max().unwrap();
    assert!(
        shares <= longest + Duration::from_millis(1),
        "{shares:?} {longest:?}"
    );
    let lines = world.sink.lines();
    let count = |word: &str| lines.iter().filter(|line| line.starts_with(word)).count();
    assert_eq!((count("START"), count("END"), count("REPORT")), (3, 3, 3));
    assert_eq!(world.seen.leases.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn no_more_workers_may_wait_than_there_are_events() {
    let notes = Notes::default();
    let keep = notes.clone();
    let world = World::new(config(), sharing(2), move |peer| {
        let keep = keep.clone();
        async move {
            let connect = || Client::connect(peer.api);
            let (mut a, mut b, mut c) = tokio::join!(connect(), connect(), connect());
            let one_too_many = async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                c.get("/runtime/invocation/next").await
            };
            tokio::select! {
                _ = a.next() => panic!("there is no event"),
                _ = b.next() => panic!("there is no event"),
                said = one_too_many => keep.add(&said),
            }
            Exit::Code(0)
        }
    });
    let _ = world.handle.ready().await;
    world.handle.stopped().await;
    assert_eq!(notes.take(), refusals(&[(500, "InternalServerError")]));
}

#[tokio::test]
async fn a_runtime_that_takes_one_at_a_time_gets_the_others_one_after_the_other() {
    let world = World::new(config(), sharing(3), echo);
    for (nth, report) in invoke_three(&world).await.iter().enumerate() {
        assert_eq!(document(report), json!({ "echo": nth + 1 }));
    }
}

#[tokio::test]
async fn an_exit_is_reported_to_each() {
    let world = World::new(config(), sharing(3), |peer| async move {
        let _open = three(&peer).await;
        Exit::Code(7)
    });
    let requests = ["1", "2", "3"].map(invocation);
    let invoke = |request: &kiln_types::Invocation| world.handle.invoke(request.clone());
    let (a, b, c) = tokio::join!(
        invoke(&requests[0]),
        invoke(&requests[1]),
        invoke(&requests[2])
    );
    for (request, report) in requests.iter().zip([a, b, c]) {
        let report = report.unwrap();
        assert_eq!(report.status, InvocationStatus::Crash);
        let message = format!(
            "RequestId: {} Error: Runtime exited with error: exit status 7",
            request.request_id
        );
        assert_eq!(document(&report)["errorMessage"], message);
    }
    world.handle.stopped().await;
}

#[tokio::test]
async fn a_timeout_is_one_s_own_and_its_late_answer_is_refused() {
    let notes = Notes::default();
    let keep = notes.clone();
    let world = World::new(config(), sharing(2), move |peer| {
        let keep = keep.clone();
        async move {
            let (mut a, mut b) = (
                Client::connect(peer.api).await,
                Client::connect(peer.api).await,
            );
            let slow = a.next().await;
            let quick = b.next().await;
            tokio::time::sleep(Duration::from_millis(800)).await;
            keep.add(&a.post(&slow.path("response"), "late").await);
            b.respond(&quick, "\"in time\"").await;
            std::future::pending().await
        }
    });
    let slow = world.handle.invoke(invocation("1"));
    let beside = async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        world.handle.invoke(invocation("2")).await
    };
    let (slow, beside) = tokio::join!(slow, beside);
    assert_eq!(slow.unwrap().status, InvocationStatus::Timeout);
    assert_eq!(document(&beside.unwrap()), "in time");
    assert_eq!(notes.take(), refusals(&[(410, "InvokeTimeout")]));
    let refused = world.handle.invoke(invocation("3")).await;
    assert_eq!(refused.unwrap_err(), Error::Lost);
    world.handle.stopped().await;
}

#[tokio::test]
async fn an_init_error_reaches_all_that_wait() {
    let world = World::new(config(), sharing(3), |peer| async move {
        let mut client = Client::connect(peer.api).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let body = r#"{"errorType":"E","errorMessage":"no"}"#;
        client.post("/runtime/init/error", body).await;
        Exit::Code(1)
    });
    for report in invoke_three(&world).await {
        assert_eq!(report.status, InvocationStatus::InitError);
        assert_eq!(document(&report)["errorMessage"], "no");
        let billed = report.share.unwrap();
        assert!(billed > Duration::ZERO, "the second init is theirs");
        assert!(billed < report.duration, "together");
    }
}

#[tokio::test]
async fn a_line_that_a_neighbour_has_not_finished_is_not_cut() {
    let world = World::new(config(), sharing(2), |mut peer| async move {
        let mut a = Client::connect(peer.api).await;
        let mut b = Client::connect(peer.api).await;
        let (x, y) = tokio::join!(a.next(), b.next());
        peer.print("one half").await;
        a.respond(&x, "1").await;
        peer.print(" and the other\n").await;
        b.respond(&y, "2").await;
        std::future::pending().await
    });
    let wanted = || {
        let mut wanted = invocation("{}");
        wanted.wants_log_tail = true;
        world.handle.invoke(wanted)
    };
    let (a, b) = tokio::join!(wanted(), wanted());
    let tails = [a, b].map(|report| report.unwrap().log_tail.unwrap());
    let has_line = |tail: &&bytes::Bytes| {
        let tail = std::str::from_utf8(tail).unwrap();
        tail.contains("\none half and the other\n")
    };
    assert_eq!(tails.iter().filter(has_line).count(), 1, "{tails:?}");
}

#[tokio::test]
async fn extensions_hear_of_the_end_only() {
    let notes = Notes::default();
    let keep = notes.clone();
    let register = move |peer: Peer| {
        let keep = keep.clone();
        async move {
            let mut client = Client::connect(peer.api).await;
            let path = "/2020-01-01/extension/register";
            let name = [("lambda-extension-name", peer.name.as_str())];
            let invoke = r#"{"events":["INVOKE","SHUTDOWN"]}"#;
            keep.add(&client.send(Method::POST, path, &name, invoke).await);
            let shutdown = r#"{"events":["SHUTDOWN"]}"#;
            let said = client.send(Method::POST, path, &name, shutdown).await;
            let id = said.header("lambda-extension-identifier").unwrap();
            let id = [("lambda-extension-identifier", id)];
            let next = "/2020-01-01/extension/event/next";
            let event = client.send(Method::GET, next, &id, "").await;
            let event: Value = serde_json::from_slice(&event.body).unwrap();
            peer.seen.note(event["eventType"].as_str().unwrap());
            Exit::Code(0)
        }
    };
    let world = World::with_extensions(config(), sharing(2), &["spy"], echo, register);
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(document(&report), json!({ "echo": 1 }));
    world.handle.stop();
    world.handle.stopped().await;
    assert!(world.seen.noted().contains(&"SHUTDOWN".to_owned()));
    assert_eq!(
        notes.take(),
        refusals(&[(403, "Extension.InvalidEventType")])
    );
}
