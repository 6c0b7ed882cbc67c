//! Message queues at their limits: age, receives, messages in flight, room.

use kiln_store::Store;
use kiln_store::messages::{IN_FLIGHT_MAX, Receipted, ReceiveError, SendError, Sent};

use crate::messages::*;
use crate::queue::at;
use crate::sample::Sample;

#[tokio::test]
async fn a_message_is_kept_as_long_as_its_queue_says() {
    let sample = Sample::at(at(0));
    make_with(&sample.store, "brief", |settings| {
        settings.retention_secs = 60
    })
    .await;
    for ms in [0, 1, 30_000] {
        send_body(&sample.store, "brief", &ms.to_string(), ms).await;
    }
    let held = receive(&sample.store, "brief", 1, 50_000).await.remove(0);
    assert_eq!(held.body, "0");
    let messages = sample.store.messages();
    assert_eq!(messages.expire(at(59_999)).await.unwrap(), 0);
    // One in flight as well.
    assert_eq!(messages.expire(at(60_000)).await.unwrap(), 1);
    assert_eq!(count(&sample.store, "brief", 60_000), (2, 0, 0));
    // Nobody gets one that is too old, whether it was looked for or not.
    assert_eq!(bodies(&sample.store, "brief", 10, 60_001).await, ["30000"]);
    assert_eq!(count(&sample.store, "brief", 60_001), (0, 1, 0));
    assert_eq!(messages.expire(at(90_000)).await.unwrap(), 1);
    assert_eq!(bytes(&sample.store), 0);
}

#[tokio::test]
async fn a_time_that_is_not_believed_makes_no_message_too_old() {
    let sample = Sample::at(at(0));
    make_with(&sample.store, "brief", |settings| {
        settings.retention_secs = 60
    })
    .await;
    send_body(&sample.store, "brief", "1", 0).await;
    send_body(&sample.store, "brief", "2", 0).await;
    let messages = sample.store.messages();
    messages.age_until(at(59_999));
    assert_eq!(messages.expire(at(500_000)).await.unwrap(), 0);
    assert_eq!(bodies(&sample.store, "brief", 1, 500_000).await.len(), 1);
    messages.age_until(at(60_000));
    assert_eq!(messages.expire(at(500_000)).await.unwrap(), 2);
}

#[tokio::test]
async fn a_receive_takes_no_more_bytes_than_it_asks_for_and_passes_over_none() {
    let sample = Sample::at(at(0));
    make(&sample.store, "orders").await;
    make(&sample.store, "orders.fifo").await;
    for queue in ["orders", "orders.fifo"] {
        for n in 0..5 {
            let mut message = message(queue, format!("{n}{}", "x".repeat(999)));
            if queue == "orders.fifo" {
                message.group = Some("g".to_owned());
                message.deduplication = Some(n.to_string());
            }
            send(&sample.store, message, 0).await.unwrap();
        }
        let mut got = Vec::new();
        // After each what was taken is deleted, so that a group goes on.
        for expected in [2, 2, 1] {
            let ask = kiln_store::messages::Receive {
                bytes_max: 1_001,
                ..ask(queue, 10)
            };
            let received = sample.store.messages().receive(ask, at(1)).await.unwrap();
            assert_eq!(received.messages.len(), expected, "{queue}");
            for message in received.messages {
                got.push(message.body[..1].to_owned());
                delete(&sample.store, queue, message.receipt, 1).await;
            }
        }
        assert_eq!(got, ["0", "1", "2", "3", "4"], "{queue}");
    }
}

#[tokio::test]
async fn thousands_that_are_too_old_keep_nobody_waiting_for_good() {
    let sample = Sample::at(at(0));
    make_with(&sample.store, "brief", |settings| {
        settings.retention_secs = 60
    })
    .await;
    for _ in 0..120 {
        let ten = (0..10).map(|_| message("brief", "old")).collect();
        sample.store.messages().send(ten, at(0)).await.unwrap();
    }
    send_body(&sample.store, "brief", "new", 60_000).await;
    let mut receives = 0;
    while bodies(&sample.store, "brief", 10, 70_000).await != ["new"] {
        receives += 1;
        assert!(receives < 10);
    }
    assert_eq!(count(&sample.store, "brief", 70_000), (0, 1, 0));
}

#[tokio::test]
async fn what_is_received_too_often_becomes_a_dead_letter() {
    let sample = Sample::at(at(0));
    make(&sample.store, "dead").await;
    make_with(&sample.store, "orders", |settings| {
        settings.redrive = redrive("dead", 2)
    })
    .await;
    send_body(&sample.store, "orders", "bad", 0).await;
    let sent = receive(&sample.store, "orders", 10, 0).await.remove(0);
    assert_eq!(bodies(&sample.store, "orders", 10, 30_000).await, ["bad"]);
    assert!(
        receive(&sample.store, "orders", 10, 60_000)
            .await
            .is_empty()
    );
    assert_eq!(count(&sample.store, "orders", 60_000), (0, 0, 0));
    assert_eq!(count(&sample.store, "dead", 60_000), (1, 0, 0));
    let before = bytes(&sample.store);
    let sample = sample.reopened().await;
    let dead = receive(&sample.store, "dead", 10, 60_001).await.remove(0);
    assert_eq!((dead.id, dead.sent, dead.received), (sent.id, at(0), 1));
    assert_eq!(dead.source, Some(queue_id("orders")));
    assert_eq!(bytes(&sample.store), before);
    assert_eq!(
        delete(&sample.store, "dead", dead.receipt, 60_001).await,
        Receipted::Done
    );
    assert_eq!(bytes(&sample.store), 0);
}

#[tokio::test]
async fn without_its_dead_letter_queue_a_message_goes_on_as_before() {
    let sample = Sample::at(at(0));
    make(&sample.store, "dead").await;
    make_with(&sample.store, "orders", |settings| {
        settings.redrive = redrive("dead", 1)
    })
    .await;
    let sources = sample.store.messages().sources(&queue_id("dead"));
    assert_eq!(
        sources.iter().map(|one| &one.id).collect::<Vec<_>>(),
        [&queue_id("orders")]
    );
    sample
        .store
        .messages()
        .remove(&queue_id("dead"))
        .await
        .unwrap();
    send_body(&sample.store, "orders", "bad", 0).await;
    for round in 0..3 {
        assert_eq!(
            bodies(&sample.store, "orders", 10, round * 30_000).await,
            ["bad"]
        );
    }
}

#[tokio::test]
async fn a_queue_holds_no_more_in_flight_than_it_may() {
    let sample = Sample::at(at(0));
    make(&sample.store, "orders").await;
    let total = IN_FLIGHT_MAX as usize + 50;
    let mut left = total;
    while left > 0 {
        let count = left.min(1_000);
        let part = (0..count).map(|_| message("orders", "x")).collect();
        sample.store.messages().send(part, at(0)).await.unwrap();
        left -= count;
    }
    let mut received = 0;
    loop {
        match sample
            .store
            .messages()
            .receive(ask("orders", 10_000), at(0))
            .await
        {
            Ok(got) => received += got.messages.len() as u64,
            Err(ReceiveError::TooManyInFlight) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(received, IN_FLIGHT_MAX);
    assert_eq!(count(&sample.store, "orders", 0), (50, IN_FLIGHT_MAX, 0));
}

#[tokio::test]
async fn a_full_queue_refuses_before_it_says_sent() {
    let dir = tempfile::tempdir().unwrap();
    let config = kiln_store::Config {
        queue_bytes_max: 10_000,
        ..kiln_store::Config::new(dir.path())
    };
    let store = Store::open(
        config,
        std::sync::Arc::new(kiln_types::ManualClock::default()),
    )
    .unwrap();
    make(&store, "orders").await;
    let three = (0..3)
        .map(|_| message("orders", "x".repeat(4_000)))
        .collect();
    let sent = store.messages().send(three, at(0)).await.unwrap();
    let is_full = |one: &Result<Sent, SendError>| matches!(one, Err(SendError::Full(_)));
    assert_eq!(
        sent.iter().map(is_full).collect::<Vec<_>>(),
        [false, false, true]
    );
    assert_eq!(count(&store, "orders", 0), (2, 0, 0));
    let held = receive(&store, "orders", 1, 0).await.remove(0);
    delete(&store, "orders", held.receipt, 0).await;
    send_body(&store, "orders", &"x".repeat(4_000), 0).await;
}
