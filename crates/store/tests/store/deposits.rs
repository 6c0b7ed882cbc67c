//! What becomes an object of a bucket together with something else: both are there, or neither.

use std::sync::Arc;

use kiln_store::messages::Refusal;
use kiln_store::objects::{Deposit, Tell};
use kiln_store::queue::{DeliverError, Delivery, Place, Reason, Settlement};
use kiln_store::{Config, Store};
use kiln_types::{ManualClock, Versioning};

use crate::messages::{make, message, queue_id};
use crate::objects::{self, bucket_id, files, get};
use crate::queue::{accept, assert_conserved, at, claim_all, event};
use crate::sample::{self, Sample};

/// Tells queues of every object.
fn tells(queues: &'static [&'static str]) -> Tell {
    Arc::new(|happening| {
        let body = format!("{} {}", happening.event, happening.key);
        let to = |queue: &&str| Delivery::Message(message(queue, body.clone()));
        queues.iter().map(to).collect()
    })
}

pub fn deposit(store: &Store, key: &str, body: &'static [u8], tell: Tell) -> Deposit {
    let (id, key) = (bucket_id(), key.to_owned());
    store.objects().deposit(id, key, body.into(), tell)
}

pub fn failed(told: Vec<Vec<Delivery>>) -> Settlement {
    match crate::queue::failed(event("nobody", "{}"), at(1)) {
        Settlement::Failed {
            letter,
            untold,
            was_started,
            ..
        } => Settlement::Failed {
            told,
            letter,
            untold,
            was_started,
        },
        other => other,
    }
}

async fn visible(store: &Store, queue: &str) -> u64 {
    let count = store.messages().count(&queue_id(queue), at(2));
    count.unwrap().visible
}

#[tokio::test]
async fn a_failed_event_becomes_an_object_and_whom_its_bucket_tells_is_told() {
    let sample = Sample::new();
    objects::make(&sample.store, Versioning::Off).await;
    make(&sample.store, "told").await;
    accept(&sample.store, "sum", 0).await;
    let [claimed] = &claim_all(&sample.store, at(0)).await[..] else {
        panic!("one event is claimed");
    };
    let one = deposit(&sample.store, "k", b"record", tells(&["told", "absent"]));
    let settlement = failed(vec![vec![Delivery::Object(one)]]);
    let queue = sample.store.queue();
    queue.settle(claimed.key, settlement).await.unwrap();
    let totals = queue.totals();
    assert_eq!((totals.failed, totals.untold, totals.dead), (1, 0, 0));
    assert_conserved(totals);

    let sample = sample.reopened().await;
    let store = &sample.store;
    assert_eq!(get(store.objects(), "k", None).await.unwrap(), b"record");
    let found = store.objects().find(&bucket_id(), "k", None).await;
    let found = found.unwrap().unwrap();
    // The MD5 of what it says, as of any object that is put at once.
    assert_eq!(found.etag, "de17f0f24b49f8364187891f8550ffbb");
    assert_eq!(visible(store, "told").await, 1);
    assert_eq!(store.queue().totals().bytes, totals.bytes);
    assert_eq!(files(sample.dir.path()), 1);
}

#[tokio::test]
async fn what_is_told_again_under_the_same_key_is_there_once() {
    let sample = Sample::new();
    objects::make(&sample.store, Versioning::Off).await;
    let store = &sample.store;
    for body in [&b"before"[..], b"again"] {
        let one = deposit(store, "k", body, tells(&[]));
        let delivered = store.queue().deliver(vec![Delivery::Object(one)], at(0));
        delivered.await.unwrap();
    }
    assert_eq!(get(store.objects(), "k", None).await.unwrap(), b"again");
    assert_eq!(files(sample.dir.path()), 1, "what was replaced is removed");
}

#[tokio::test]
async fn an_event_whose_bucket_is_gone_is_a_dead_letter_and_leaves_no_file() {
    let sample = Sample::new();
    let store = &sample.store;
    make(store, "told").await;
    let mut ids = Vec::new();
    for (told, is_dead) in [(vec![], true), (vec![message("told", "2")], false)] {
        ids.push(accept(store, "sum", 0).await);
        let [claimed] = &claim_all(store, at(0)).await[..] else {
            panic!("one event is claimed");
        };
        let one = Delivery::Object(deposit(store, "k", b"record", tells(&["told"])));
        let mut all = vec![vec![one]];
        all.extend(told.into_iter().map(|one| vec![Delivery::Message(one)]));
        let queue = store.queue();
        queue.settle(claimed.key, failed(all)).await.unwrap();
        let totals = queue.totals();
        assert_conserved(totals);
        assert_eq!((totals.dead, totals.untold), (1, u64::from(!is_dead)));
    }
    let shown = store.queue().show(&sample::account(), ids[0]).await;
    let Place::Dead(letter) = shown.unwrap().unwrap().place else {
        panic!("it is a dead letter");
    };
    assert_eq!(letter.reason, Reason::RetriesExhausted);
    assert!(
        letter.error.ends_with("bucket things does not exist"),
        "{}",
        letter.error
    );
    assert_eq!(
        visible(store, "told").await,
        1,
        "of no object nobody is told"
    );
    assert_eq!(files(sample.dir.path()), 0);
}

#[tokio::test]
async fn nothing_of_a_delivery_is_kept_when_its_bucket_is_gone() {
    let sample = Sample::new();
    let store = &sample.store;
    let deliveries = vec![
        Delivery::Event(event("sum", "1")),
        Delivery::Object(deposit(store, "k", b"record", tells(&[]))),
    ];
    let refused = store.queue().deliver(deliveries, at(0)).await.unwrap_err();
    assert!(
        matches!(&refused, DeliverError::Refused(Refusal::NoBucket(name)) if name.as_str() == "things"),
        "{refused}"
    );
    assert_eq!(store.queue().totals().queued, 0);
    assert_eq!(files(sample.dir.path()), 0);
}

#[tokio::test]
async fn a_bucket_with_versions_keeps_what_was_told_before() {
    let sample = Sample::new();
    let store = &sample.store;
    objects::make(store, Versioning::Enabled).await;
    for body in [&b"before"[..], b"again"] {
        let one = deposit(store, "k", body, tells(&[]));
        let delivered = store.queue().deliver(vec![Delivery::Object(one)], at(0));
        delivered.await.unwrap();
    }
    assert_eq!(get(store.objects(), "k", None).await.unwrap(), b"again");
    assert_eq!(files(sample.dir.path()), 2);
    let versions = store.objects().find(&bucket_id(), "k", None).await.unwrap();
    let version = versions.unwrap().version;
    objects::remove(store.objects(), "k", Some(&version)).await;
    assert_eq!(get(store.objects(), "k", None).await.unwrap(), b"before");
}

#[tokio::test]
async fn a_bucket_that_was_made_again_gets_what_is_told_after_that() {
    let sample = Sample::new();
    let store = &sample.store;
    objects::make(store, Versioning::Off).await;
    let one = deposit(store, "k", b"record", tells(&[]));
    store.objects().remove_bucket(&bucket_id()).await.unwrap();
    objects::make(store, Versioning::Off).await;
    let delivered = store.queue().deliver(vec![Delivery::Object(one)], at(0));
    delivered.await.unwrap();
    assert_eq!(get(store.objects(), "k", None).await.unwrap(), b"record");
}

#[tokio::test]
async fn an_object_needs_no_room_in_a_full_queue_unless_somebody_is_told_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        queue_bytes_max: 3_000,
        ..Config::new(dir.path())
    };
    let store = Store::open(config, Arc::new(ManualClock::default())).unwrap();
    objects::make(&store, Versioning::Off).await;
    make(&store, "told").await;
    while store
        .queue()
        .accept(event("sum", vec![b'1'; 200]), at(0))
        .await
        .is_ok()
    {}
    let one = deposit(&store, "k", b"record", tells(&[]));
    let delivered = store.queue().deliver(vec![Delivery::Object(one)], at(0));
    delivered.await.unwrap();
    let body = vec![b'x'; 1_000].leak();
    let notice: &'static str = std::str::from_utf8(body).unwrap();
    let tell: Tell = Arc::new(move |_| vec![Delivery::Message(message("told", notice))]);
    let one = deposit(&store, "other", b"record", tell);
    let refused = store.queue().deliver(vec![Delivery::Object(one)], at(0));
    let refused = refused.await.unwrap_err();
    assert!(
        matches!(refused, DeliverError::Refused(Refusal::Full(_))),
        "{refused}"
    );
    assert_eq!(get(store.objects(), "other", None).await, None);
    assert_eq!(files(dir.path()), 1);
}
