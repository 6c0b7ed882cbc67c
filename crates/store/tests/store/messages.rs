//! Message queues: what is sent is received until it is deleted.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use kiln_store::Store;
use kiln_store::messages::{
    Changed, Count, Fifo, Message, NewMessage, QueueError, Receipt, Receipted, Receive,
    ReceiveError, Redrive, Refusal, SendError, Sent, Settings,
};
use kiln_types::{AttributeValue, MessageAttribute, MessageId, QueueArn, QueueId, Region};

use crate::queue::at;
use crate::sample::{Sample, account};

pub fn queue_id(name: &str) -> QueueId {
    QueueId {
        account: account(),
        name: name.parse().unwrap(),
    }
}

pub fn message(queue: &str, body: impl Into<String>) -> NewMessage {
    NewMessage {
        id: MessageId::random(),
        queue: queue_id(queue),
        body: body.into(),
        attributes: BTreeMap::new(),
        trace: None,
        sender: "test".to_owned(),
        group: None,
        deduplication: None,
        delay: None,
    }
}

pub async fn make(store: &Store, queue: &str) {
    make_with(store, queue, |_| ()).await;
}

pub async fn make_with(store: &Store, queue: &str, change: impl FnOnce(&mut Settings)) {
    let id = queue_id(queue);
    let mut settings = Settings {
        fifo: id.name.is_fifo().then(Fifo::default),
        ..Settings::default()
    };
    change(&mut settings);
    let made = store
        .messages()
        .create(id, settings, BTreeMap::new(), at(0));
    assert!(made.await.unwrap().is_new);
}

/// Settings by which dead letters go to a queue.
pub fn redrive(dead_letters: &str, receives_max: u32) -> Option<Redrive> {
    Some(Redrive {
        dead_letters: QueueArn::new(Region::default(), queue_id(dead_letters)),
        receives_max,
    })
}

pub async fn send(store: &Store, message: NewMessage, ms: i64) -> Result<Sent, SendError> {
    let mut sent = store.messages().send(vec![message], at(ms)).await.unwrap();
    sent.remove(0)
}

pub async fn send_body(store: &Store, queue: &str, body: &str, ms: i64) {
    send(store, message(queue, body), ms).await.unwrap();
}

pub fn ask(queue: &str, count_max: u32) -> Receive {
    Receive {
        queue: queue_id(queue),
        count_max,
        visibility_timeout: None,
        bytes_max: usize::MAX,
        attempt: None,
    }
}

pub async fn receive(store: &Store, queue: &str, count_max: u32, ms: i64) -> Vec<Message> {
    let received = store.messages().receive(ask(queue, count_max), at(ms));
    received.await.unwrap().messages
}

pub async fn bodies(store: &Store, queue: &str, count_max: u32, ms: i64) -> Vec<String> {
    let received = receive(store, queue, count_max, ms).await;
    received.into_iter().map(|message| message.body).collect()
}

pub async fn delete(store: &Store, queue: &str, receipt: Receipt, ms: i64) -> Receipted {
    let id = queue_id(queue);
    let deleted = store.messages().delete(&id, vec![receipt], at(ms));
    deleted.await.unwrap()[0]
}

pub async fn hide(store: &Store, queue: &str, receipt: Receipt, secs: u64, ms: i64) -> Changed {
    let (id, timeout) = (queue_id(queue), Duration::from_secs(secs));
    let changed = store
        .messages()
        .change_visibility(&id, vec![(receipt, timeout)], at(ms));
    changed.await.unwrap()[0]
}

/// Visible, in flight, delayed.
pub fn count(store: &Store, queue: &str, ms: i64) -> (u64, u64, u64) {
    let Count {
        visible,
        in_flight,
        delayed,
    } = store.messages().count(&queue_id(queue), at(ms)).unwrap();
    (visible, in_flight, delayed)
}

/// What all queues and events take.
pub fn bytes(store: &Store) -> u64 {
    store.queue().totals().bytes
}

#[tokio::test]
async fn a_message_comes_back_as_it_was_sent_until_it_is_deleted() {
    let sample = Sample::at(at(0));
    make(&sample.store, "orders").await;
    let attribute = |data_type: &str, value| MessageAttribute {
        data_type: data_type.to_owned(),
        value,
    };
    let sent = NewMessage {
        attributes: BTreeMap::from([
            ("text".to_owned(), MessageAttribute::string("ä")),
            ("number".to_owned(), MessageAttribute::number(-1.5)),
            (
                "bytes".to_owned(),
                attribute(
                    "Binary.gif",
                    AttributeValue::Binary(Bytes::from_static(&[0, 255])),
                ),
            ),
        ]),
        trace: Some("Root=1".to_owned()),
        ..message("orders", "ä\u{10000}".repeat(30_000))
    };
    for size in [1, 70_000] {
        let sent = NewMessage {
            body: sent.body.chars().take(size).collect(),
            id: MessageId::random(),
            ..sent.clone()
        };
        let told = send(&sample.store, sent.clone(), 0).await.unwrap();
        assert_eq!(
            told,
            Sent {
                id: sent.id,
                number: None
            }
        );
        let received = receive(&sample.store, "orders", 10, 5).await;
        let [got] = received.as_slice() else {
            panic!("one message: {received:?}");
        };
        assert_eq!(
            (got.id, &got.body, &got.attributes),
            (sent.id, &sent.body, &sent.attributes)
        );
        assert_eq!((&got.trace, got.sender.as_str()), (&sent.trace, "test"));
        assert_eq!(
            (got.sent, got.first_received, got.received),
            (at(0), at(5), 1)
        );
        assert_eq!(
            delete(&sample.store, "orders", got.receipt, 6).await,
            Receipted::Done
        );
        // Once more is no mistake.
        assert_eq!(
            delete(&sample.store, "orders", got.receipt, 6).await,
            Receipted::Done
        );
        assert_eq!(count(&sample.store, "orders", 99_999), (0, 0, 0));
        assert_eq!(bytes(&sample.store), 0);
    }
}

#[tokio::test]
async fn a_message_in_flight_is_hidden_and_comes_again_when_its_time_is_over() {
    let sample = Sample::at(at(0));
    make(&sample.store, "orders").await;
    send_body(&sample.store, "orders", "1", 0).await;
    assert_eq!(count(&sample.store, "orders", 0), (1, 0, 0));
    let first = receive(&sample.store, "orders", 1, 0).await.remove(0);
    assert_eq!(count(&sample.store, "orders", 29_999), (0, 1, 0));
    assert!(receive(&sample.store, "orders", 1, 29_999).await.is_empty());
    assert_eq!(count(&sample.store, "orders", 30_000), (1, 0, 0));
    let again = receive(&sample.store, "orders", 1, 30_000).await.remove(0);
    assert_eq!((again.received, again.first_received), (2, at(0)));
    // The receipt of the first time removes nothing any more.
    assert_eq!(
        delete(&sample.store, "orders", first.receipt, 30_001).await,
        Receipted::Done
    );
    assert_eq!(count(&sample.store, "orders", 30_001), (0, 1, 0));
    assert_eq!(
        hide(&sample.store, "orders", first.receipt, 0, 30_001).await,
        Changed::Gone
    );
    // Nobody received it since: it may still be deleted.
    assert_eq!(
        delete(&sample.store, "orders", again.receipt, 99_000).await,
        Receipted::Done
    );
    assert_eq!(count(&sample.store, "orders", 99_000), (0, 0, 0));
}

#[tokio::test]
async fn a_receiver_says_for_how_long_and_changes_its_mind() {
    let sample = Sample::at(at(0));
    make(&sample.store, "orders").await;
    send_body(&sample.store, "orders", "1", 0).await;
    let short = Receive {
        visibility_timeout: Some(Duration::from_secs(5)),
        ..ask("orders", 1)
    };
    let received = sample.store.messages().receive(short, at(0)).await.unwrap();
    let receipt = received.messages[0].receipt;
    assert_eq!(
        hide(&sample.store, "orders", receipt, 60, 1_000).await,
        Changed::Done
    );
    assert!(receive(&sample.store, "orders", 1, 60_999).await.is_empty());
    let late = 12 * 60 * 60 * 1_000 - 59_000;
    assert_eq!(
        hide(&sample.store, "orders", receipt, 43_200, 1).await,
        Changed::TooLong
    );
    assert_eq!(
        hide(&sample.store, "orders", receipt, 60, late).await,
        Changed::TooLong
    );
    assert_eq!(
        hide(&sample.store, "orders", receipt, 43_200, 0).await,
        Changed::Done
    );
    assert_eq!(
        hide(&sample.store, "orders", receipt, 0, 2_000).await,
        Changed::Done
    );
    assert_eq!(count(&sample.store, "orders", 2_000), (1, 0, 0));
    assert_eq!(bodies(&sample.store, "orders", 1, 2_000).await, ["1"]);
}

#[tokio::test]
async fn a_receipt_is_good_for_its_own_queue_only() {
    let sample = Sample::at(at(0));
    make(&sample.store, "orders").await;
    make(&sample.store, "others").await;
    send_body(&sample.store, "orders", "1", 0).await;
    let receipt = receive(&sample.store, "orders", 1, 0).await[0].receipt;
    assert_eq!(
        delete(&sample.store, "others", receipt, 0).await,
        Receipted::OtherQueue
    );
    assert_eq!(
        hide(&sample.store, "others", receipt, 0, 0).await,
        Changed::OtherQueue
    );
    // A queue that is made anew is another.
    sample
        .store
        .messages()
        .remove(&queue_id("orders"))
        .await
        .unwrap();
    make(&sample.store, "orders").await;
    assert_eq!(
        delete(&sample.store, "orders", receipt, 0).await,
        Receipted::OtherQueue
    );
}

#[tokio::test]
async fn a_delayed_message_is_hidden_from_all_at_first() {
    let sample = Sample::at(at(0));
    make_with(&sample.store, "slow", |settings| settings.delay_secs = 10).await;
    send_body(&sample.store, "slow", "queue's", 0).await;
    let delay = |secs| Some(Duration::from_secs(secs));
    let later = NewMessage {
        delay: delay(20),
        ..message("slow", "own")
    };
    send(&sample.store, later, 0).await.unwrap();
    let now = NewMessage {
        delay: delay(0),
        ..message("slow", "none")
    };
    send(&sample.store, now, 0).await.unwrap();
    assert_eq!(count(&sample.store, "slow", 0), (1, 0, 2));
    assert_eq!(bodies(&sample.store, "slow", 10, 9_999).await, ["none"]);
    assert_eq!(count(&sample.store, "slow", 10_000), (1, 1, 1));
    let received = receive(&sample.store, "slow", 10, 10_000).await;
    assert_eq!(
        (received[0].body.as_str(), received[0].received),
        ("queue's", 1)
    );
    assert_eq!(bodies(&sample.store, "slow", 10, 20_000).await, ["own"]);
    assert_eq!(count(&sample.store, "slow", 20_000), (0, 3, 0));
}

#[tokio::test]
async fn what_waits_longest_comes_first_and_nothing_comes_twice() {
    let sample = Sample::at(at(0));
    make(&sample.store, "orders").await;
    for number in 0..25 {
        send_body(&sample.store, "orders", &number.to_string(), number).await;
    }
    let first = bodies(&sample.store, "orders", 10, 100).await;
    assert_eq!(first, (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(bodies(&sample.store, "orders", 10, 101).await.len(), 10);
    // Those that return stand behind those that nobody has seen.
    let rest = bodies(&sample.store, "orders", 10, 30_100).await;
    assert_eq!(&rest[..5], ["20", "21", "22", "23", "24"]);
    assert_eq!(&rest[5..], ["0", "1", "2", "3", "4"]);
}

#[tokio::test]
async fn a_message_that_was_sent_later_and_kept_sooner_is_not_passed_over() {
    let sample = Sample::new();
    make(&sample.store, "q").await;
    send_body(&sample.store, "q", "seen", 0).await;
    assert_eq!(bodies(&sample.store, "q", 1, 0).await, ["seen"]);
    // Whoever asks first is not always served first.
    send_body(&sample.store, "q", "later", 30_002).await;
    send_body(&sample.store, "q", "sooner", 30_001).await;
    let first = bodies(&sample.store, "q", 2, 40_000).await;
    assert_eq!(first, ["seen", "sooner"]);
    assert_eq!(bodies(&sample.store, "q", 2, 40_000).await, ["later"]);
}

#[tokio::test]
async fn without_any_visibility_timeout_a_message_comes_once_a_receive() {
    let sample = Sample::at(at(0));
    make_with(&sample.store, "orders", |settings| {
        settings.visibility_timeout_secs = 0
    })
    .await;
    send_body(&sample.store, "orders", "1", 0).await;
    for received in 1..4 {
        let again = receive(&sample.store, "orders", 10, 5).await;
        assert_eq!((again.len(), again[0].received), (1, received));
    }
    assert_eq!(count(&sample.store, "orders", 5), (1, 0, 0));
}

#[tokio::test]
async fn everything_is_there_after_a_restart_and_counted() {
    let sample = Sample::at(at(0));
    make(&sample.store, "orders").await;
    make(&sample.store, "empty").await;
    for body in ["taken", "left", "done"] {
        send_body(&sample.store, "orders", body, 0).await;
    }
    let later = NewMessage {
        delay: Some(Duration::from_secs(60)),
        ..message("orders", "later")
    };
    send(&sample.store, later, 0).await.unwrap();
    let taken = receive(&sample.store, "orders", 1, 10).await.remove(0);
    let visible = Receive {
        visibility_timeout: Some(Duration::ZERO),
        ..ask("orders", 10)
    };
    let done = sample
        .store
        .messages()
        .receive(visible, at(10))
        .await
        .unwrap();
    let done = done.messages.iter().find(|one| one.body == "done").unwrap();
    delete(&sample.store, "orders", done.receipt, 10).await;
    let before = bytes(&sample.store);
    let id = queue_id("orders");
    let known = sample.store.messages().get(&id).unwrap();
    let sample = sample.reopened().await;
    assert_eq!(sample.store.messages().get(&id).unwrap(), known);
    assert_eq!(count(&sample.store, "orders", 20), (1, 1, 1));
    assert_eq!(bytes(&sample.store), before);
    assert_eq!(
        delete(&sample.store, "orders", taken.receipt, 20).await,
        Receipted::Done
    );
    assert_eq!(
        bodies(&sample.store, "orders", 10, 100_000).await,
        ["left", "later"]
    );
    assert_eq!(count(&sample.store, "empty", 0), (0, 0, 0));
}

#[tokio::test]
async fn a_purge_empties_a_queue_at_once_and_gives_its_space_back() {
    let sample = Sample::at(at(0));
    make(&sample.store, "orders").await;
    for _ in 0..1_500 {
        let sent = vec![
            message("orders", "x".repeat(70_000)),
            message("orders", "y"),
        ];
        sample.store.messages().send(sent, at(0)).await.unwrap();
        if bytes(&sample.store) > 20 << 20 {
            break;
        }
    }
    let held = receive(&sample.store, "orders", 1, 0).await.remove(0);
    let messages = sample.store.messages();
    messages.purge(&queue_id("orders")).await.unwrap();
    assert_eq!(count(&sample.store, "orders", 0), (0, 0, 0));
    assert!(
        receive(&sample.store, "orders", 10, 99_999)
            .await
            .is_empty()
    );
    assert_eq!(
        delete(&sample.store, "orders", held.receipt, 0).await,
        Receipted::Done
    );
    assert_eq!(count(&sample.store, "orders", 0), (0, 0, 0));
    send_body(&sample.store, "orders", "new", 0).await;
    messages.something_is_over().await;
    assert!(messages.clear().await.unwrap() > 500);
    let sample = sample.reopened().await;
    assert_eq!(sample.store.messages().clear().await.unwrap(), 0);
    assert_eq!(bodies(&sample.store, "orders", 10, 0).await, ["new"]);
    assert_eq!(count(&sample.store, "orders", 0), (0, 1, 0));
    assert!(bytes(&sample.store) < 1_000, "{}", bytes(&sample.store));
}

#[tokio::test]
async fn a_queue_that_is_removed_takes_its_messages_with_it() {
    let sample = Sample::at(at(0));
    make(&sample.store, "orders").await;
    send_body(&sample.store, "orders", "1", 0).await;
    let messages = sample.store.messages();
    messages.remove(&queue_id("orders")).await.unwrap();
    let again = messages.remove(&queue_id("orders")).await;
    assert!(matches!(again, Err(QueueError::NoQueue(_))), "{again:?}");
    let refused = send(&sample.store, message("orders", "2"), 0)
        .await
        .unwrap_err();
    assert_eq!(
        refused,
        SendError::Refused(Refusal::NoQueue(queue_id("orders")))
    );
    let refused = messages.receive(ask("orders", 1), at(0)).await.unwrap_err();
    assert!(matches!(refused, ReceiveError::NoQueue(_)), "{refused:?}");
    assert_eq!(messages.count(&queue_id("orders"), at(0)), None);
    assert_eq!(messages.clear().await.unwrap(), 1);
    make(&sample.store, "orders").await;
    assert!(receive(&sample.store, "orders", 10, 0).await.is_empty());
    assert_eq!(bytes(&sample.store), 0);
}
