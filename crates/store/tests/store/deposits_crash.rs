//! What buckets are told of failed events survives `kill -9`: an event is there, or its object is, and never both.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use kiln_store::objects::ListObjects;
use kiln_store::queue::{Delivery, ListQuery};
use kiln_store::{Config, Store};
use kiln_types::{Clock as _, ManualClock, SystemClock, Versioning};

use crate::deposits::{deposit, failed};
use crate::killed;
use crate::objects::{bucket_id, files, get, make, nobody};
use crate::queue::{claim_all, event};
use crate::sample::{account, open};

const DIR: &str = "KILN_STORE_DEPOSITS_CRASH_DIR";
const RECORD: &[u8] = &[b'r'; 10_000];

#[test]
fn an_event_becomes_an_object_or_stays_whenever_kiln_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut accepted, mut told) = (BTreeSet::new(), BTreeSet::new());
    for round in 0..5 {
        run_and_kill(dir.path(), 40 + round * 53, &mut accepted, &mut told);
        let store = open(dir.path(), Arc::new(ManualClock::default())).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let waiting = waiting(&store).await;
            let objects = objects(&store).await;
            // One may have been accepted without having said so.
            let all = accepted.union(&objects).chain(&waiting);
            for id in all.collect::<BTreeSet<_>>() {
                let object = get(store.objects(), id, None).await;
                assert!(
                    object.as_deref().is_none_or(|object| object == RECORD),
                    "{id}"
                );
                assert_ne!(object.is_some(), waiting.contains(id), "{id}");
                assert!(object.is_some() || !told.contains(id), "{id} was told");
            }
            assert_eq!(
                files(dir.path()),
                objects.len(),
                "no file is left of what came to nothing"
            );
            store.close().await.unwrap();
        });
    }
    assert!(told.len() > 20, "{}", told.len());
}

/// What has not ended.
async fn waiting(store: &Store) -> BTreeSet<String> {
    let listed = store.queue().list(ListQuery {
        account: account(),
        function: None,
        dead: false,
        after: None,
        count_max: 1_000_000,
    });
    let events = listed.await.unwrap().events.into_iter();
    events.map(|one| one.event.request_id.to_string()).collect()
}

/// The keys of all objects.
async fn objects(store: &Store) -> BTreeSet<String> {
    let query = ListObjects {
        count_max: 1_000_000,
        ..ListObjects::default()
    };
    let listed = store.objects().list(&bucket_id(), query).await.unwrap();
    listed.entries.into_iter().map(|entry| entry.key).collect()
}

/// Kills a child after so many lines.
fn run_and_kill(
    dir: &Path,
    lines_max: usize,
    accepted: &mut BTreeSet<String>,
    told: &mut BTreeSet<String>,
) {
    let child = "deposits_crash::child_that_is_killed";
    killed::run_and_kill(child, (DIR, dir), lines_max, |line| {
        // A line that the end cut off has no full stop.
        match line.strip_suffix('.').and_then(|line| line.split_once(' ')) {
            Some(("accepted", id)) => accepted.insert(id.to_owned()),
            Some(("told", id)) => told.insert(id.to_owned()),
            _ => return false,
        };
        true
    });
}

#[test]
#[ignore = "the process that an_event_becomes_an_object_or_stays_whenever_kiln_is_killed starts and kills"]
fn child_that_is_killed() {
    let dir = std::env::var(DIR).expect("started by the test above");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(async {
        let clock = SystemClock::start();
        let store = Store::open(Config::new(dir), Arc::new(clock)).unwrap();
        if store.objects().buckets(&account()).is_empty() {
            make(&store, Versioning::Off).await;
        }
        tokio::join!(accept(&store, clock), fail(&store, clock));
    });
}

async fn accept(store: &Store, clock: SystemClock) {
    loop {
        let event = event("sum", "{}");
        let id = event.request_id;
        let accepted = store.queue().accept(event, clock.timestamp());
        accepted.await.unwrap();
        println!("accepted {id}.");
    }
}

async fn fail(store: &Store, clock: SystemClock) {
    loop {
        for claimed in claim_all(store, clock.timestamp()).await {
            let id = claimed.event.request_id;
            let one = deposit(store, &id.to_string(), RECORD, nobody());
            let settlement = failed(vec![vec![Delivery::Object(one)]]);
            store.queue().settle(claimed.key, settlement).await.unwrap();
            println!("told {id}.");
        }
    }
}
