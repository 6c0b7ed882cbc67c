//! Asynchronous events when room is short, the disk is damaged, the calendar wrong or the process ends.

use std::time::Duration;

use kiln_store::queue::{AcceptError, Ask, Delivery, ListQuery, Place, Reason, Settlement, Told};
use kiln_store::{Config, Store};
use kiln_types::Clock as _;

use crate::queue::{
    NOW_MS, accept, ask, assert_conserved, at, claim_all, dead, event, failed, selection,
    told_of_success,
};
use crate::sample::{Sample, account};

/// Changes what lies in the queue's file, as a failing disk may.
fn damage(sample: &Sample, sql: &str) {
    let file = sample.dir.path().join("queue.db");
    let connection = rusqlite::Connection::open(file).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    connection.execute_batch(sql).unwrap();
}

#[tokio::test]
async fn a_full_queue_refuses_before_it_accepts() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        queue_bytes_max: 10_000,
        ..Config::new(dir.path())
    };
    let clock = std::sync::Arc::new(kiln_types::ManualClock::default());
    let store = Store::open(config, clock).unwrap();
    let queue = store.queue();
    let kilobyte = || event("sum", vec![b'1'; 1_000]);
    let mut accepted = 0;
    let refused = loop {
        match queue.accept(kilobyte(), at(0)).await {
            Ok(()) => accepted += 1,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, AcceptError::Full(_)), "{refused}");
    let totals = queue.totals();
    assert!(
        accepted > 3 && totals.received == accepted,
        "{accepted} {totals:?}"
    );
    assert!(totals.bytes <= 10_000);
    // A dead letter takes as much; only what is gone makes room.
    let claimed = claim_all(&store, at(0)).await;
    queue
        .settle(claimed[0].key, dead(Reason::RetriesExhausted, at(1)))
        .await
        .unwrap();
    assert!(queue.accept(kilobyte(), at(0)).await.is_err());
    queue
        .settle(claimed[1].key, Settlement::Succeeded(None, at(1)))
        .await
        .unwrap();
    assert!(queue.accept(kilobyte(), at(0)).await.is_ok());
}

#[tokio::test]
async fn a_full_queue_takes_no_payload_of_whoever_is_told_and_loses_none() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        queue_bytes_max: 10_000,
        ..Config::new(dir.path())
    };
    let clock = std::sync::Arc::new(kiln_types::ManualClock::default());
    let store = Store::open(config, clock).unwrap();
    let queue = store.queue();
    let kilobyte = || event("sum", vec![b'1'; 1_000]);
    while queue.accept(kilobyte(), at(0)).await.is_ok() {}
    let claimed = claim_all(&store, at(0)).await;
    let large = || event("told", vec![b'2'; 5_000]);
    queue
        .settle(claimed[0].key, failed(large(), at(1)))
        .await
        .unwrap();
    let account = account();
    let kept = queue.show(&account, claimed[0].event.request_id);
    let kept = kept.await.unwrap().unwrap();
    assert!(matches!(kept.place, Place::Dead(_)), "{kept:?}");
    assert_eq!(kept.event.payload, kilobyte().payload);
    let told = Told {
        brief: Some(vec![Delivery::Event(event("told", "2"))]),
        ..told_of_success(Delivery::Event(large()))
    };
    queue
        .settle(claimed[1].key, Settlement::Succeeded(Some(told), at(1)))
        .await
        .unwrap();
    let told = claim_all(&store, at(10)).await;
    assert_eq!(told[0].event.payload, "2");
    assert!(queue.totals().bytes <= 10_000, "{:?}", queue.totals());
    assert_conserved(queue.totals());
}

#[tokio::test]
async fn what_a_caller_says_of_an_event_and_what_it_died_of_are_counted() {
    let sample = Sample::new();
    let queue = sample.store.queue();
    let mut wordy = event("sum", "{}");
    wordy.client_context = Some("x".repeat(3_000));
    queue.accept(wordy, at(0)).await.unwrap();
    let accepted = queue.totals().bytes;
    assert!(accepted >= 3_000, "{accepted}");
    let claimed = claim_all(&sample.store, at(0)).await;
    let settlement = dead(Reason::RetriesExhausted, at(1));
    queue.settle(claimed[0].key, settlement).await.unwrap();
    assert_eq!(queue.totals().bytes, accepted + "it said so".len() as u64);
    queue.purge(selection(None, None)).await.unwrap();
    assert_eq!(queue.totals().bytes, 0);
}

#[tokio::test]
async fn what_is_due_too_late_is_brought_forward_and_nothing_else_is_moved() {
    let sample = Sample::new();
    let queue = sample.store.queue();
    for name in ["sum", "other"] {
        accept(&sample.store, name, 0).await;
        accept(&sample.store, name, 50_000).await;
    }
    for number in 0..5_000 {
        accept(&sample.store, "sum", 86_400_000 + number % 3).await;
    }
    accept(&sample.store, "other", 86_400_000).await;
    assert_eq!(queue.hasten(at(60_000)).await.unwrap(), 5_001);
    assert_eq!(queue.hasten(at(60_000)).await.unwrap(), 0);
    assert_eq!(claim_all(&sample.store, at(49_990)).await.len(), 2);
    assert_eq!(claim_all(&sample.store, at(59_990)).await.len(), 2);
    let mut found = 0;
    while let claimed @ 1.. = claim_all(&sample.store, at(60_100)).await.len() {
        found += claimed;
    }
    assert_eq!(found, 5_001);
}

#[tokio::test]
async fn what_ran_whenever_the_process_ended_waits_longer_each_time() {
    let mut sample = Sample::new();
    let start = NOW_MS as u64 - sample.clock.timestamp().as_millis() as u64;
    sample.clock.advance(Duration::from_millis(start));
    accept(&sample.store, "sum", 0).await;
    for wait_secs in [0, 0, 1, 2, 4] {
        assert_eq!(claim_all(&sample.store, at(60_000)).await.len(), 1);
        sample = sample.reopened().await;
        let due = sample.store.queue().lanes().await.unwrap()[0].due;
        assert_eq!(due, at(wait_secs * 1_000));
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_a_dead_letter_and_keeps_no_other_waiting() {
    for sql in [
        "UPDATE event SET head = 'no JSON' WHERE id = (SELECT min(id) FROM event)",
        "UPDATE event SET request_id = x'00' WHERE id = (SELECT min(id) FROM event)",
        "UPDATE event SET starts = -1 WHERE id = (SELECT min(id) FROM event)",
        "DELETE FROM body",
    ] {
        let sample = Sample::new();
        let queue = sample.store.queue();
        queue
            .accept(event("sum", vec![b'1'; 100_000]), at(0))
            .await
            .unwrap();
        accept(&sample.store, "sum", 0).await;
        damage(&sample, sql);
        let claimed = claim_all(&sample.store, at(0)).await;
        assert_eq!(claimed.len(), 1, "{sql}");
        let totals = queue.totals();
        assert_eq!((totals.dead, totals.queued), (1, 1), "{sql}");
        assert_conserved(totals);
        let letters = queue.list(ListQuery {
            account: account(),
            function: None,
            dead: true,
            after: None,
            count_max: 10,
        });
        let letters = letters.await.unwrap().events;
        let Place::Dead(letter) = &letters[0].place else {
            panic!("{letters:?}");
        };
        assert_eq!(letter.reason, Reason::NotInvocable, "{sql}");
        assert_eq!(queue.purge(selection(None, None)).await.unwrap(), 1);
        let settled = Settlement::Succeeded(None, at(1));
        queue.settle(claimed[0].key, settled).await.unwrap();
        assert_eq!(queue.totals().bytes, 0, "{sql}");
    }
}

#[tokio::test]
async fn a_dead_letter_that_cannot_be_read_stays_and_all_others_are_redriven() {
    let sample = Sample::new();
    let queue = sample.store.queue();
    for _ in 0..300 {
        accept(&sample.store, "sum", 0).await;
    }
    for claimed in claim_all(&sample.store, at(0)).await {
        let settlement = dead(Reason::RetriesExhausted, at(0));
        queue.settle(claimed.key, settlement).await.unwrap();
    }
    damage(
        &sample,
        "UPDATE dead SET head = 'no JSON' WHERE id % 100 = 1",
    );
    for function in [None, Some("sum")] {
        let redriven = queue.redrive(selection(function, None), at(1)).await;
        assert_eq!(redriven.unwrap(), if function.is_none() { 297 } else { 0 });
    }
    assert_eq!((queue.totals().queued, queue.totals().dead), (297, 3));
}

#[tokio::test]
async fn a_claim_takes_no_more_bytes_than_asked_for_and_one_event_always() {
    let sample = Sample::new();
    let queue = sample.store.queue();
    for _ in 0..4 {
        let large = event("sum", vec![b'1'; 100_000]);
        queue.accept(large, at(0)).await.unwrap();
    }
    let lane = queue.lanes().await.unwrap()[0].lane;
    for (bytes_max, taken) in [(150_000, 2), (1, 1)] {
        let ask = Ask {
            bytes_max,
            ..ask(lane, 10)
        };
        let claimed = queue.claim(ask, at(0)).await.unwrap();
        assert_eq!(claimed.events.len(), taken);
        assert_eq!(claimed.next, Some(at(0)));
    }
}
