//! What goes to functions and message queues together: all of it or nothing, after any crash.

use std::sync::Arc;

use kiln_store::messages::{Count, NewMessage, Refusal};
use kiln_store::queue::{DeliverError, Delivery, Place, Reason, Settlement, Told};
use kiln_store::{Config, Store};
use kiln_types::ManualClock;

use crate::messages::{make, message, queue_id};
use crate::queue::{accept, assert_conserved, at, claim_all, event, failed, told_of_success};
use crate::sample::{self, Sample};

fn visible(store: &Store, queue: &str) -> u64 {
    let count = store.messages().count(&queue_id(queue), at(0));
    let Count { visible, .. } = count.unwrap();
    visible
}

#[tokio::test]
async fn all_of_a_delivery_is_kept_and_both_sides_are_told() {
    let sample = Sample::new();
    make(&sample.store, "orders").await;
    let deliveries = vec![
        Delivery::Event(event("sum", "1")),
        Delivery::Message(message("orders", "2")),
        Delivery::Event(event("other", "3")),
        Delivery::Message(message("orders", "4")),
    ];
    let bytes: u64 = deliveries.iter().map(Delivery::size).sum();
    let queue = sample.store.queue();
    queue.deliver(deliveries, at(0)).await.unwrap();
    assert_eq!(queue.arrivals().take().await.len(), 2);
    assert_eq!(visible(&sample.store, "orders"), 2);
    let totals = queue.totals();
    assert_eq!((totals.queued, totals.bytes), (2, bytes));
    let sample = sample.reopened().await;
    assert_eq!(visible(&sample.store, "orders"), 2);
    assert_eq!(claim_all(&sample.store, at(0)).await.len(), 2);
    assert_eq!(sample.store.queue().totals().bytes, bytes);
    assert_conserved(sample.store.queue().totals());
}

#[tokio::test]
async fn nothing_of_a_delivery_is_kept_when_one_queue_refuses_its_message() {
    let sample = Sample::new();
    make(&sample.store, "orders").await;
    make(&sample.store, "ordered.fifo").await;
    let large = "x".repeat(1024 * 1024 + 1);
    let refusals = [
        (
            message("nowhere", "2"),
            Refusal::NoQueue(queue_id("nowhere")),
        ),
        (
            message("orders", large),
            Refusal::TooLarge {
                bytes_max: 1_048_576,
            },
        ),
        (message("ordered.fifo", "2"), Refusal::NoGroup),
        (
            NewMessage {
                group: Some("g".to_owned()),
                ..message("ordered.fifo", "2")
            },
            Refusal::NoDeduplication,
        ),
    ];
    let queue = sample.store.queue();
    for (refused, expected) in refusals {
        let deliveries = vec![
            Delivery::Event(event("sum", "1")),
            Delivery::Message(message("orders", "2")),
            Delivery::Message(refused),
        ];
        let error = queue.deliver(deliveries, at(0)).await.unwrap_err();
        assert!(
            matches!(&error, DeliverError::Refused(why) if *why == expected),
            "{error}"
        );
    }
    assert_eq!(visible(&sample.store, "orders"), 0);
    assert_eq!((queue.totals().received, queue.totals().bytes), (0, 0));
}

#[tokio::test]
async fn messages_take_of_the_room_of_events() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        queue_bytes_max: 10_000,
        ..Config::new(dir.path())
    };
    let store = Store::open(config, Arc::new(ManualClock::default())).unwrap();
    make(&store, "orders").await;
    let kilobyte = || message("orders", "x".repeat(1_000));
    let mut kept = 0;
    let full = loop {
        let delivered = store
            .queue()
            .deliver(vec![Delivery::Message(kilobyte())], at(0));
        match delivered.await {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, DeliverError::Full(_)), "{full}");
    assert_eq!(visible(&store, "orders"), kept);
    assert!((5..10).contains(&kept), "{kept}");
    let refused = store.queue().accept(event("sum", vec![b'1'; 1_000]), at(0));
    assert!(refused.await.is_err());
}

#[tokio::test]
async fn the_end_of_an_event_and_the_message_that_tells_of_it_are_one_change() {
    let sample = Sample::new();
    make(&sample.store, "ends").await;
    accept(&sample.store, "sum", 0).await;
    accept(&sample.store, "sum", 0).await;
    let claimed = claim_all(&sample.store, at(0)).await;
    let queue = sample.store.queue();
    let told = told_of_success(Delivery::Message(message("ends", "1")));
    let settled = queue.settle(claimed[0].key, Settlement::Succeeded(Some(told), at(1)));
    settled.await.unwrap();
    let mut both = failed(event("told", "2"), at(1));
    let Settlement::Failed { told, .. } = &mut both else {
        unreachable!("it failed");
    };
    told.push(vec![Delivery::Message(message("ends", "2"))]);
    queue.settle(claimed[1].key, both).await.unwrap();
    assert_eq!(visible(&sample.store, "ends"), 2);
    assert_conserved(queue.totals());
    let sample = sample.reopened().await;
    assert_eq!(visible(&sample.store, "ends"), 2);
    assert_eq!(claim_all(&sample.store, at(20)).await.len(), 1);
}

#[tokio::test]
async fn an_event_whose_end_a_queue_does_not_take_is_kept_and_nobody_is_told() {
    let sample = Sample::new();
    accept(&sample.store, "sum", 0).await;
    accept(&sample.store, "sum", 0).await;
    let claimed = claim_all(&sample.store, at(0)).await;
    let queue = sample.store.queue();
    let mut gone = failed(event("told", "2"), at(1));
    let Settlement::Failed { told, .. } = &mut gone else {
        unreachable!("it failed");
    };
    // One of two that are told together: neither is.
    told[0].push(Delivery::Message(message("nowhere", "2")));
    told.push(vec![Delivery::Message(message("nowhere", "3"))]);
    queue.settle(claimed[0].key, gone).await.unwrap();
    let told = told_of_success(Delivery::Message(message("nowhere", "1")));
    let settled = queue.settle(claimed[1].key, Settlement::Succeeded(Some(told), at(1)));
    settled.await.unwrap();
    let totals = queue.totals();
    assert_eq!((totals.dead, totals.succeeded, totals.queued), (2, 0, 0));
    assert_eq!(totals.untold, 1);
    assert_conserved(totals);
    let id = claimed[1].event.request_id;
    let kept = queue.show(&sample::account(), id).await.unwrap().unwrap();
    let Place::Dead(letter) = kept.place else {
        panic!("it is a dead letter: {kept:?}");
    };
    assert_eq!(letter.reason, Reason::DestinationNotTold);
    assert!(letter.error.contains("does not exist"), "{}", letter.error);
    let sample = sample.reopened().await;
    assert_eq!(sample.store.queue().totals().untold, 1);
}

#[tokio::test]
async fn what_many_are_told_of_a_success_is_told_to_all_or_none() {
    let sample = Sample::new();
    make(&sample.store, "ends").await;
    accept(&sample.store, "sum", 0).await;
    let claimed = claim_all(&sample.store, at(0)).await;
    let told = Told {
        whole: vec![
            Delivery::Message(message("ends", "1")),
            Delivery::Event(event("told", "1")),
            Delivery::Message(message("nowhere", "1")),
        ],
        ..told_of_success(Delivery::Message(message("ends", "1")))
    };
    let queue = sample.store.queue();
    let settled = queue.settle(claimed[0].key, Settlement::Succeeded(Some(told), at(1)));
    settled.await.unwrap();
    assert_eq!(visible(&sample.store, "ends"), 0);
    let totals = queue.totals();
    assert_eq!((totals.dead, totals.received), (1, 1));
    assert_conserved(totals);
}

#[tokio::test]
async fn who_cannot_be_told_of_a_failure_keeps_no_other_from_it() {
    let sample = Sample::new();
    make(&sample.store, "ends").await;
    accept(&sample.store, "sum", 0).await;
    let claimed = claim_all(&sample.store, at(0)).await;
    let queue = sample.store.queue();
    let mut partly = failed(event("told", "1"), at(1));
    let Settlement::Failed { told, .. } = &mut partly else {
        unreachable!("it failed");
    };
    let message = |queue| vec![Delivery::Message(message(queue, "1"))];
    *told = vec![message("nowhere"), message("ends")];
    queue.settle(claimed[0].key, partly).await.unwrap();
    assert_eq!(visible(&sample.store, "ends"), 1);
    let totals = queue.totals();
    assert_eq!((totals.dead, totals.failed, totals.untold), (0, 1, 1));
    assert_conserved(totals);
}
