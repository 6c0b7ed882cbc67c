//! FIFO queues: the order of groups, and messages known again.

use std::time::Duration;

use kiln_store::Store;
use kiln_store::messages::{
    Changed, Fifo, Message, NewMessage, Receipted, Receive, Refusal, SendError, Sent,
};

use crate::messages::{
    ask, bodies, bytes, count, delete, hide, make, make_with, message, queue_id, receive, redrive,
    send,
};
use crate::queue::at;
use crate::sample::Sample;

const QUEUE: &str = "orders.fifo";

fn grouped(group: &str, body: &str) -> NewMessage {
    NewMessage {
        group: Some(group.to_owned()),
        deduplication: Some(format!("{group}/{body}")),
        ..message(QUEUE, body)
    }
}

async fn send_in(store: &Store, group: &str, body: &str, ms: i64) -> Sent {
    send(store, grouped(group, body), ms).await.unwrap()
}

async fn sample() -> Sample {
    let sample = Sample::at(at(0));
    make(&sample.store, QUEUE).await;
    sample
}

#[tokio::test]
async fn a_group_waits_for_what_is_in_flight_of_it_and_no_other_does() {
    let sample = sample().await;
    let store = &sample.store;
    for (group, body) in [
        ("a", "a1"),
        ("a", "a2"),
        ("b", "b1"),
        ("a", "a3"),
        ("b", "b2"),
    ] {
        send_in(store, group, body, 0).await;
    }
    let first = receive(store, QUEUE, 1, 0).await.remove(0);
    assert_eq!(
        (first.body.as_str(), first.group.as_deref()),
        ("a1", Some("a"))
    );
    assert_eq!(bodies(store, QUEUE, 10, 1).await, ["b1", "b2"]);
    assert!(receive(store, QUEUE, 10, 2).await.is_empty());
    assert_eq!(count(store, QUEUE, 2), (2, 3, 0));
    assert_eq!(
        delete(store, QUEUE, first.receipt, 3).await,
        Receipted::Done
    );
    assert_eq!(bodies(store, QUEUE, 10, 3).await, ["a2", "a3"]);
    // All of them come again, in their order.
    let again = bodies(store, QUEUE, 10, 40_000).await;
    assert_eq!(again, ["b1", "b2", "a2", "a3"]);
}

#[tokio::test]
async fn a_receive_takes_all_it_can_of_a_group_before_the_next() {
    let sample = sample().await;
    let store = &sample.store;
    for number in 0..4 {
        send_in(store, "a", &format!("a{number}"), 0).await;
        send_in(store, "b", &format!("b{number}"), 0).await;
    }
    let first = bodies(store, QUEUE, 6, 0).await;
    assert_eq!(first, ["a0", "a1", "a2", "a3", "b0", "b1"]);
    // The rest of b waits for what is in flight of it.
    assert!(receive(store, QUEUE, 6, 0).await.is_empty());
}

#[tokio::test]
async fn a_blocked_group_with_a_long_backlog_keeps_no_other_waiting() {
    let sample = sample().await;
    let store = &sample.store;
    for part in 0..30 {
        let part = (0..100).map(|number| grouped("long", &format!("{part}/{number}")));
        store.messages().send(part.collect(), at(0)).await.unwrap();
    }
    receive(store, QUEUE, 1, 0).await.remove(0);
    send_in(store, "other", "here", 1).await;
    assert_eq!(bodies(store, QUEUE, 10, 1).await, ["here"]);
}

#[tokio::test]
async fn what_is_sent_again_within_five_minutes_is_known() {
    let sample = sample().await;
    let store = &sample.store;
    let first = send_in(store, "a", "x", 0).await;
    let empty = bytes(store);
    let again = NewMessage {
        deduplication: Some("a/x".to_owned()),
        ..grouped("b", "other")
    };
    assert_eq!(send(store, again.clone(), 299_999).await.unwrap(), first);
    assert_eq!(bytes(store), empty, "nothing was kept of it");
    let received = receive(store, QUEUE, 10, 299_999).await;
    assert_eq!((received.len(), received[0].id), (1, first.id));
    assert_eq!(received[0].deduplication.as_deref(), Some("a/x"));
    delete(store, QUEUE, received[0].receipt, 299_999).await;
    // Deleted or not, and after a restart and a purge.
    assert_eq!(send(store, again.clone(), 299_999).await.unwrap(), first);
    let sample = sample.reopened().await;
    let store = &sample.store;
    store.messages().purge(&queue_id(QUEUE)).await.unwrap();
    assert_eq!(send(store, again.clone(), 299_999).await.unwrap(), first);
    let later = send(store, again.clone(), 300_000).await.unwrap();
    assert!(
        later.id == again.id && later.number > first.number,
        "{later:?}"
    );
    assert_eq!(send(store, again, 599_999).await.unwrap(), later);
    let received = receive(store, QUEUE, 10, 600_000).await.remove(0);
    delete(store, QUEUE, received.receipt, 600_000).await;
    store.messages().expire(at(1_200_000)).await.unwrap();
    assert_eq!(bytes(store), 0);
}

#[tokio::test]
async fn a_queue_may_know_messages_by_their_bodies_and_by_their_groups() {
    let sample = Sample::at(at(0));
    let store = &sample.store;
    make_with(store, QUEUE, |settings| {
        settings.fifo = Some(Fifo {
            deduplicates_by_content: true,
            deduplicates_by_group: true,
            is_limited_by_group: true,
        });
    })
    .await;
    let bare = |group: &str, body: &str| NewMessage {
        deduplication: None,
        ..grouped(group, body)
    };
    let first = send(store, bare("a", "x"), 0).await.unwrap();
    assert_eq!(send(store, bare("a", "x"), 1).await.unwrap(), first);
    assert_ne!(send(store, bare("b", "x"), 1).await.unwrap(), first);
    assert_ne!(send(store, bare("a", "y"), 1).await.unwrap(), first);
    let received = receive(store, QUEUE, 1, 2).await.remove(0);
    // SHA-256 of "x".
    let digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    assert_eq!(received.deduplication.as_deref(), Some(digest));
    assert_eq!(count(store, QUEUE, 2), (2, 1, 0));
}

#[tokio::test]
async fn numbers_go_up_in_the_order_of_sending() {
    let sample = sample().await;
    let store = &sample.store;
    let part = (0..10).map(|number| grouped(&format!("g{}", number % 3), &number.to_string()));
    let sent = store.messages().send(part.collect(), at(0)).await.unwrap();
    let numbers: Vec<_> = sent.into_iter().map(|one| one.unwrap().number).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    let received = receive(store, QUEUE, 10, 0).await;
    let got: Vec<_> = received.iter().map(|one| one.number).collect();
    assert!(numbers.iter().all(|number| got.contains(number)));
    let refused = send(store, message(QUEUE, "x"), 0).await.unwrap_err();
    assert_eq!(refused, SendError::Refused(Refusal::NoGroup));
    let unnamed = NewMessage {
        deduplication: None,
        ..grouped("a", "x")
    };
    let refused = send(store, unnamed, 0).await.unwrap_err();
    assert_eq!(refused, SendError::Refused(Refusal::NoDeduplication));
}

#[tokio::test]
async fn a_receipt_of_a_fifo_queue_is_good_while_the_message_is_hidden() {
    let sample = sample().await;
    let store = &sample.store;
    send_in(store, "a", "1", 0).await;
    let first = receive(store, QUEUE, 1, 0).await.remove(0);
    assert_eq!(
        delete(store, QUEUE, first.receipt, 30_000).await,
        Receipted::Expired
    );
    assert_eq!(
        hide(store, QUEUE, first.receipt, 60, 30_000).await,
        Changed::Gone
    );
    let again = receive(store, QUEUE, 1, 30_000).await.remove(0);
    assert_eq!(
        delete(store, QUEUE, first.receipt, 30_001).await,
        Receipted::Expired
    );
    assert_eq!(
        delete(store, QUEUE, again.receipt, 30_001).await,
        Receipted::Done
    );
    assert_eq!(
        delete(store, QUEUE, again.receipt, 30_002).await,
        Receipted::Done
    );
    assert_eq!(count(store, QUEUE, 99_999), (0, 0, 0));
}

#[tokio::test]
async fn a_group_is_free_when_its_receiver_gives_its_messages_back() {
    let sample = sample().await;
    let store = &sample.store;
    for body in ["1", "2", "3"] {
        send_in(store, "a", body, 0).await;
    }
    let received = receive(store, QUEUE, 2, 0).await;
    assert_eq!(
        hide(store, QUEUE, received[0].receipt, 0, 1).await,
        Changed::Done
    );
    assert!(
        receive(store, QUEUE, 10, 1).await.is_empty(),
        "the second is in flight"
    );
    assert_eq!(
        hide(store, QUEUE, received[1].receipt, 0, 2).await,
        Changed::Done
    );
    assert_eq!(bodies(store, QUEUE, 10, 2).await, ["1", "2", "3"]);
}

#[tokio::test]
async fn an_attempt_that_is_made_again_gets_the_same_messages() {
    let sample = sample().await;
    let store = &sample.store;
    for body in ["1", "2", "3"] {
        send_in(store, body, body, 0).await;
    }
    let attempt = |name: &str| Receive {
        attempt: Some(name.to_owned()),
        visibility_timeout: Some(Duration::from_secs(10)),
        ..ask(QUEUE, 2)
    };
    let get = async |name: &str, ms| -> Vec<Message> {
        let received = store.messages().receive(attempt(name), at(ms));
        received.await.unwrap().messages
    };
    let first = get("x", 0).await;
    assert_eq!(first.len(), 2);
    assert_eq!(get("x", 5_000).await, first);
    assert_eq!(get("y", 5_000).await.len(), 1);
    // Its time counts from the second attempt.
    assert_eq!(get("x", 14_999).await, first);
    assert!(get("z", 14_999).await.is_empty());
    delete(store, QUEUE, first[0].receipt, 15_000).await;
    let left = get("x", 15_001).await;
    assert_eq!(left.len(), 1, "one of y's is free again: {left:?}");
    assert_eq!(left[0].body, "3");
}

#[tokio::test]
async fn a_delay_that_is_changed_counts_for_what_is_there() {
    let sample = Sample::at(at(0));
    let store = &sample.store;
    make_with(store, QUEUE, |settings| settings.delay_secs = 60).await;
    send_in(store, "a", "a1", 0).await;
    send_in(store, "b", "b1", 5_000).await;
    assert_eq!(count(store, QUEUE, 5_000), (0, 0, 2));
    assert!(receive(store, QUEUE, 10, 59_999).await.is_empty());
    let delay = async |secs, ms| {
        let change = move |settings: &mut kiln_store::messages::Settings, _: &mut _| {
            settings.delay_secs = secs;
            Ok::<_, kiln_store::messages::QueueError>(())
        };
        let id = queue_id(QUEUE);
        store.messages().update(&id, change, at(ms)).await.unwrap();
    };
    delay(10, 12_000).await;
    assert_eq!(count(store, QUEUE, 12_000), (1, 0, 1));
    assert_eq!(bodies(store, QUEUE, 10, 12_000).await, ["a1"]);
    delay(20, 16_000).await;
    assert_eq!(count(store, QUEUE, 16_000), (0, 1, 1));
    assert!(receive(store, QUEUE, 10, 24_999).await.is_empty());
    assert_eq!(bodies(store, QUEUE, 10, 25_000).await, ["b1"]);
    send_in(store, "c", "c1", 26_000).await;
    let sample = sample.reopened().await;
    assert_eq!(count(&sample.store, QUEUE, 26_000), (0, 2, 1));
}

#[tokio::test]
async fn dead_letters_keep_their_group_and_are_as_new() {
    let sample = Sample::at(at(0));
    let store = &sample.store;
    make(store, "dead.fifo").await;
    make_with(store, QUEUE, |settings| {
        settings.redrive = redrive("dead.fifo", 1)
    })
    .await;
    for body in ["1", "2"] {
        send_in(store, "a", body, 0).await;
    }
    assert_eq!(bodies(store, QUEUE, 1, 0).await, ["1"]);
    // The first is given up, and the second comes.
    assert_eq!(bodies(store, QUEUE, 1, 30_000).await, ["2"]);
    let dead = receive(store, "dead.fifo", 10, 30_000).await.remove(0);
    assert_eq!(
        (dead.body.as_str(), dead.group.as_deref()),
        ("1", Some("a"))
    );
    assert_eq!((dead.sent, dead.received), (at(30_000), 1));
    assert_eq!(count(store, QUEUE, 30_000), (0, 1, 0));
}

#[tokio::test]
async fn a_group_without_messages_leaves_nothing_behind() {
    let sample = sample().await;
    let store = &sample.store;
    for number in 0..300 {
        let group = format!("g{number}");
        send_in(store, &group, "x", number).await;
        let received = receive(store, QUEUE, 1, number).await.remove(0);
        assert_eq!(
            delete(store, QUEUE, received.receipt, number).await,
            Receipted::Done
        );
    }
    let before = bytes(store);
    store.messages().expire(at(1_200_000)).await.unwrap();
    assert!(before > 0);
    assert_eq!(bytes(store), 0, "what was known of messages is forgotten");
}
