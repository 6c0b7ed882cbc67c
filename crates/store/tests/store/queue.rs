//! Asynchronous events: where they can be, and that none is ever in two places or none.

use std::time::Duration;

use bytes::Bytes;
use kiln_store::Store;
use kiln_store::queue::{
    Again, Ask, Claimed, DeadLetter, Delivery, Event, Lane, ListQuery, NewEvent, Place, Reason,
    Selection, Settlement, Told, Totals,
};
use kiln_types::{FunctionArn, FunctionName, Region, RequestId, Timestamp};
use proptest::prelude::*;

use crate::sample::{Sample, account, id};

/// Some day in 2026.
pub const NOW_MS: i64 = 1_795_440_180_000;

pub fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(NOW_MS + ms)
}

pub fn event(function: &str, payload: impl Into<Bytes>) -> NewEvent {
    NewEvent {
        request_id: RequestId::random(),
        function: id(function),
        qualifier: Some("live".parse().unwrap()),
        invoked_arn: FunctionArn::new(Region::default(), &id(function)),
        client_context: Some("{}".to_owned()),
        tenant: Some("Shop 7".parse().unwrap()),
        trace: Some("Root=1".to_owned()),
        payload: payload.into(),
    }
}

pub async fn accept(store: &Store, function: &str, ms: i64) -> RequestId {
    let event = event(function, "{}");
    let request_id = event.request_id;
    store.queue().accept(event, at(ms)).await.unwrap();
    request_id
}

/// Everything that can be claimed of all functions.
async fn claim(store: &Store, now: Timestamp, count_max: u32) -> Vec<Claimed> {
    let lanes = store.queue().lanes().await.unwrap();
    let mut claimed = Vec::new();
    for arrival in lanes {
        let ask = ask(arrival.lane, count_max);
        claimed.push(store.queue().claim(ask, now).await.unwrap());
    }
    claimed
}

pub fn ask(lane: Lane, count_max: u32) -> Ask {
    Ask {
        lane,
        count_max,
        bytes_max: u64::MAX,
    }
}

pub async fn claim_all(store: &Store, now: Timestamp) -> Vec<Event> {
    let claimed = claim(store, now, 1_000).await;
    claimed.into_iter().flat_map(|one| one.events).collect()
}

pub fn dead(reason: Reason, died: Timestamp) -> Settlement {
    Settlement::Dead {
        letter: letter(reason, died),
        was_started: true,
    }
}

fn letter(reason: Reason, died: Timestamp) -> DeadLetter {
    DeadLetter {
        reason,
        error: "it said so".to_owned(),
        died,
    }
}

/// What tells one receiver of a success.
pub fn told_of_success(whole: Delivery) -> Told {
    Told {
        brief: Some(vec![whole.clone()]),
        whole: vec![whole],
        otherwise: DeadLetter {
            reason: Reason::DestinationNotTold,
            error: "nobody was told".to_owned(),
            died: at(1),
        },
    }
}

pub fn failed(told: NewEvent, now: Timestamp) -> Settlement {
    Settlement::Failed {
        told: vec![vec![Delivery::Event(told)]],
        untold: 0,
        letter: letter(Reason::RetriesExhausted, now),
        was_started: true,
    }
}

fn again(due: Timestamp) -> Settlement {
    Settlement::Again(Again {
        due,
        failures: 1,
        delays: 0,
        was_started: true,
    })
}

pub fn assert_conserved(totals: Totals) {
    let Totals {
        received,
        succeeded,
        failed,
        dropped,
        queued,
        dead,
        ..
    } = totals;
    assert_eq!(
        received,
        succeeded + failed + dropped + queued + dead,
        "{totals:?}"
    );
}

#[tokio::test]
async fn an_event_comes_back_as_it_was_accepted() {
    let sample = Sample::new();
    for payload in [
        Bytes::from_static(b"{\"a\" : 1}"),
        vec![b'1'; 1 << 20].into(),
    ] {
        let accepted = event("sum", payload);
        sample
            .store
            .queue()
            .accept(accepted.clone(), at(0))
            .await
            .unwrap();
        let claimed = claim_all(&sample.store, at(0)).await;
        assert_eq!(claimed.len(), 1);
        assert_eq!(claimed[0].event, accepted);
        assert_eq!((claimed[0].accepted, claimed[0].starts), (at(0), 1));
        let settled = sample
            .store
            .queue()
            .settle(claimed[0].key, Settlement::Succeeded(None, at(1)));
        settled.await.unwrap();
    }
    let totals = sample.store.queue().totals();
    assert_eq!((totals.received, totals.succeeded, totals.bytes), (2, 2, 0));
}

#[tokio::test]
async fn what_is_claimed_is_not_claimed_again() {
    let sample = Sample::new();
    for _ in 0..5 {
        accept(&sample.store, "sum", 0).await;
    }
    let first = claim(&sample.store, at(0), 3).await.remove(0);
    assert_eq!((first.events.len(), first.next), (3, Some(at(0))));
    let second = claim(&sample.store, at(0), 3).await.remove(0);
    assert_eq!((second.events.len(), second.next), (2, None));
    assert!(claim_all(&sample.store, at(0)).await.is_empty());
}

#[tokio::test]
async fn events_of_a_function_are_claimed_in_the_order_in_which_they_came() {
    let sample = Sample::new();
    let mut accepted = Vec::new();
    for ms in 0..60 {
        accepted.push(accept(&sample.store, "sum", ms).await);
        accept(&sample.store, "other", ms).await;
    }
    let claimed = claim_all(&sample.store, at(100)).await;
    let of_sum = claimed.iter().filter(|one| one.event.function == id("sum"));
    let order: Vec<_> = of_sum.map(|one| one.event.request_id).collect();
    assert_eq!(order, accepted);
}

#[tokio::test]
async fn an_event_that_waits_again_is_not_due_before_its_time() {
    let sample = Sample::new();
    accept(&sample.store, "sum", 0).await;
    let first = claim_all(&sample.store, at(0)).await.remove(0);
    sample
        .store
        .queue()
        .settle(first.key, again(at(60_005)))
        .await
        .unwrap();
    assert!(claim_all(&sample.store, at(60_000)).await.is_empty());
    let second = claim_all(&sample.store, at(60_010)).await.remove(0);
    assert_eq!((second.failures, second.starts), (1, 2));
    assert_eq!(second.event, first.event);
    assert_eq!(second.accepted, at(0));
}

#[tokio::test]
async fn a_thousand_events_of_one_moment_have_a_place_each() {
    let sample = Sample::new();
    for _ in 0..5_000 {
        accept(&sample.store, "sum", 0).await;
    }
    let mut found = 0;
    while let claimed @ 1.. = claim_all(&sample.store, at(1_000)).await.len() {
        found += claimed;
    }
    assert_eq!(found, 5_000);
}

#[tokio::test]
async fn who_is_told_of_an_end_has_an_event_in_the_same_transaction() {
    let sample = Sample::new();
    accept(&sample.store, "sum", 0).await;
    accept(&sample.store, "sum", 0).await;
    let claimed = claim_all(&sample.store, at(0)).await;
    let queue = sample.store.queue();
    let told = told_of_success(Delivery::Event(event("told", "1")));
    let told = Settlement::Succeeded(Some(told), at(5));
    queue.settle(claimed[0].key, told).await.unwrap();
    let told = failed(event("told", "2"), at(5));
    queue.settle(claimed[1].key, told).await.unwrap();
    let totals = queue.totals();
    assert_eq!(
        (totals.received, totals.succeeded, totals.failed),
        (4, 1, 1)
    );
    assert_conserved(totals);
    let claimed = claim_all(&sample.store, at(10)).await;
    let payloads: Vec<_> = claimed
        .iter()
        .map(|one| one.event.payload.clone())
        .collect();
    assert_eq!(payloads, ["1", "2"]);
}

#[tokio::test]
async fn what_ran_when_the_process_ended_runs_again_and_is_counted() {
    let sample = Sample::new();
    accept(&sample.store, "sum", 0).await;
    accept(&sample.store, "sum", 5_000).await;
    assert_eq!(claim_all(&sample.store, at(0)).await.len(), 1);
    let sample = sample.reopened().await;
    assert_eq!(sample.store.queue().totals().redelivered, 1);
    let again = claim_all(&sample.store, at(0)).await;
    assert_eq!((again[0].redelivered, again[0].starts), (1, 2));
    assert_eq!(again.len(), 1);
    assert_conserved(sample.store.queue().totals());
}

#[tokio::test]
async fn arrivals_are_told_by_function_and_earliest_time() {
    let sample = Sample::new();
    for ms in [30, 10, 20] {
        accept(&sample.store, "sum", ms).await;
    }
    accept(&sample.store, "other", 0).await;
    let mut arrived = sample.store.queue().arrivals().take().await;
    arrived.sort_by_key(|arrival| arrival.due);
    let told: Vec<_> = arrived
        .iter()
        .map(|one| (one.function.clone(), one.due))
        .collect();
    assert_eq!(told, [(id("other"), at(0)), (id("sum"), at(10))]);
}

pub fn selection(function: Option<&str>, request_id: Option<RequestId>) -> Selection {
    let function: Option<FunctionName> = function.map(|name| name.parse().unwrap());
    Selection {
        account: account(),
        function,
        request_id,
        died_before: at(1_000_000),
    }
}

#[tokio::test]
async fn dead_letters_are_listed_shown_redriven_and_purged() {
    let sample = Sample::new();
    let queue = sample.store.queue();
    let mut ids = Vec::new();
    for name in ["a", "a", "b", "b"] {
        ids.push(accept(&sample.store, name, 0).await);
    }
    for claimed in claim_all(&sample.store, at(0)).await {
        let settlement = dead(Reason::EventAgeExceeded, at(10));
        queue.settle(claimed.key, settlement).await.unwrap();
    }
    let list = |after, count_max| ListQuery {
        account: account(),
        function: None,
        dead: true,
        after,
        count_max,
    };
    let first = queue.list(list(None, 3)).await.unwrap();
    let second = queue.list(list(first.next, 3)).await.unwrap();
    assert_eq!((first.events.len(), second.events.len()), (3, 1));
    assert_eq!(second.next, None);
    let shown = queue.show(&account(), ids[0]).await.unwrap().unwrap();
    let Place::Dead(letter) = shown.place else {
        panic!("{shown:?}");
    };
    assert_eq!(
        (letter.reason, letter.error.as_str()),
        (Reason::EventAgeExceeded, "it said so")
    );
    assert_eq!((shown.event.payload, shown.starts), (Bytes::from("{}"), 1));

    assert_eq!(
        queue
            .redrive(selection(None, Some(ids[0])), at(20))
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        queue
            .redrive(selection(Some("b"), None), at(20))
            .await
            .unwrap(),
        2
    );
    assert_eq!(queue.purge(selection(None, None)).await.unwrap(), 1);
    let totals = queue.totals();
    assert_eq!(
        (totals.dead, totals.dropped, totals.redriven, totals.queued),
        (0, 1, 3, 3)
    );
    assert_conserved(totals);
    let redriven = claim_all(&sample.store, at(20)).await;
    assert_eq!(redriven.len(), 3);
    assert!(
        redriven
            .iter()
            .all(|one| one.starts == 1 && one.accepted == at(20))
    );
    let waiting = queue.show(&account(), ids[0]).await.unwrap().unwrap();
    assert_eq!(waiting.place, Place::Running);
    assert!(
        queue
            .show(&account(), RequestId::random())
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_large_redrive_comes_in_parts_and_is_whole() {
    let sample = Sample::new();
    let queue = sample.store.queue();
    for _ in 0..600 {
        accept(&sample.store, "sum", 0).await;
    }
    // So many do not fit in one millisecond.
    for claimed in claim_all(&sample.store, at(1)).await {
        queue
            .settle(claimed.key, dead(Reason::RetriesExhausted, at(0)))
            .await
            .unwrap();
    }
    assert_eq!(
        queue.redrive(selection(None, None), at(1)).await.unwrap(),
        600
    );
    assert_eq!(queue.totals().queued, 600);
}

#[tokio::test]
async fn events_of_another_account_are_nobody_elses() {
    let sample = Sample::new();
    let request_id = accept(&sample.store, "sum", 0).await;
    let other = "123456789012".parse().unwrap();
    let queue = sample.store.queue();
    assert!(queue.show(&other, request_id).await.unwrap().is_none());
    let listed = queue.list(ListQuery {
        account: other,
        function: None,
        dead: false,
        after: None,
        count_max: 10,
    });
    assert!(listed.await.unwrap().events.is_empty());
}

/// What may be done to the queue.
#[derive(Debug, Clone)]
enum Step {
    Accept(usize),
    Claim(u32),
    Succeed,
    Fail,
    Die,
    Again,
    Redrive,
    Purge,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..200_000_usize).prop_map(Step::Accept),
        3 => (0..4_u32).prop_map(Step::Claim),
        2 => Just(Step::Succeed),
        1 => Just(Step::Fail),
        1 => Just(Step::Die),
        2 => Just(Step::Again),
        1 => Just(Step::Redrive),
        1 => Just(Step::Purge),
        1 => Just(Step::Reopen),
    ]
}

async fn perform(mut sample: Sample, steps: Vec<Step>) {
    let mut running: Vec<Event> = Vec::new();
    for (now, step) in steps.into_iter().enumerate() {
        let now = at(now as i64 * 20);
        let queue = sample.store.queue().clone();
        let settlement = match step {
            Step::Accept(bytes) => {
                queue
                    .accept(event("sum", vec![b'1'; bytes]), now)
                    .await
                    .unwrap();
                None
            }
            Step::Claim(count) => {
                for claimed in claim(&sample.store, now, count).await {
                    running.extend(claimed.events);
                }
                None
            }
            Step::Succeed => Some(Settlement::Succeeded(None, now)),
            Step::Fail => Some(failed(event("told", "1"), now)),
            Step::Die => Some(dead(Reason::RetriesExhausted, now)),
            Step::Again => Some(again(now + Duration::from_millis(40))),
            Step::Redrive => {
                queue.redrive(selection(None, None), now).await.unwrap();
                None
            }
            Step::Purge => {
                queue.purge(selection(None, None)).await.unwrap();
                None
            }
            Step::Reopen => {
                drop(queue);
                running.clear();
                sample = sample.reopened().await;
                None
            }
        };
        if let (Some(settlement), Some(event)) = (settlement, running.pop()) {
            sample
                .store
                .queue()
                .settle(event.key, settlement)
                .await
                .unwrap();
        }
        assert_conserved(sample.store.queue().totals());
    }
    // What the totals say is what is there.
    let totals = sample.store.queue().totals();
    let list = |dead| ListQuery {
        account: account(),
        function: None,
        dead,
        after: None,
        count_max: 10_000,
    };
    let queue = sample.store.queue();
    let waiting = queue.list(list(false)).await.unwrap().events;
    let letters = queue.list(list(true)).await.unwrap().events;
    assert_eq!(
        (waiting.len() as u64, letters.len() as u64),
        (totals.queued, totals.dead)
    );
    let bytes: u64 = waiting.iter().chain(&letters).map(|one| one.bytes).sum();
    assert_eq!(bytes, totals.bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_is_done_nothing_is_lost_or_counted_twice(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(perform(Sample::new(), steps));
    }
}
