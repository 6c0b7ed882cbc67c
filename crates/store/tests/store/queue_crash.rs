//! Asynchronous events survive `kill -9`: what was accepted is there until it was settled.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use kiln_store::queue::{Ask, ListQuery, Settlement};
use kiln_store::{Config, Store};
use kiln_types::{Clock as _, ManualClock, SystemClock};

use crate::killed;
use crate::queue::event;
use crate::sample::{account, open};

const DIR: &str = "KILN_STORE_QUEUE_CRASH_DIR";

/// What children had been told when they were killed.
#[derive(Default)]
struct Ledger {
    accepted: BTreeSet<String>,
    claimed: BTreeSet<String>,
    settled: BTreeSet<String>,
}

#[test]
fn what_was_accepted_survives_kill_9_until_it_is_settled() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::default();
    for round in 0..6 {
        let redelivered = run_and_kill(dir.path(), 50 + round * 61, &mut ledger);
        let store = open(dir.path(), Arc::new(ManualClock::default())).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let listed = runtime.block_on(store.queue().list(ListQuery {
            account: account(),
            function: None,
            dead: false,
            after: None,
            count_max: 1_000_000,
        }));
        let events = listed.unwrap().events;
        let found: BTreeSet<_> = events
            .iter()
            .map(|one| one.event.request_id.to_string())
            .collect();
        let lost: Vec<_> = ledger
            .accepted
            .difference(&ledger.settled)
            .filter(|id| !found.contains(*id))
            .collect();
        // The settlement of these was under way when the child died.
        assert!(
            lost.iter().all(|id| ledger.claimed.contains(*id)),
            "{lost:?}"
        );
        assert!(
            lost.len() <= 1,
            "one is settled at a time, {lost:?} are gone"
        );
        ledger
            .settled
            .extend(lost.into_iter().cloned().collect::<Vec<_>>());
        let twice: Vec<_> = found.intersection(&ledger.settled).collect();
        assert!(twice.is_empty(), "settled and still there: {twice:?}");
        assert_eq!(store.queue().totals().queued, events.len() as u64);
        let counted: u32 = events.iter().map(|one| one.redelivered).sum();
        assert!(u64::from(counted) <= store.queue().totals().redelivered);
        assert!(redelivered <= store.queue().totals().redelivered);
    }
    assert!(ledger.settled.len() > 10, "{}", ledger.settled.len());
}

/// Kills a child after so many lines, and returns how many claims had been told and not ended.
fn run_and_kill(dir: &Path, lines_max: usize, ledger: &mut Ledger) -> u64 {
    let mut open = 0_u64;
    let child = "queue_crash::child_that_is_killed";
    killed::run_and_kill(child, (DIR, dir), lines_max, |line| {
        // A line that the end cut off has no full stop.
        let Some((what, id)) = line.strip_suffix('.').and_then(|line| line.split_once(' ')) else {
            return false;
        };
        match what {
            "accepted" => ledger.accepted.insert(id.to_owned()),
            "claimed" => {
                open += 1;
                ledger.claimed.insert(id.to_owned())
            }
            "settled" => {
                open -= 1;
                ledger.settled.insert(id.to_owned())
            }
            _ => return false,
        };
        true
    });
    // One may have been settled without having said so.
    open.saturating_sub(1)
}

#[test]
#[ignore = "the process that what_was_accepted_survives_kill_9_until_it_is_settled starts and kills"]
fn child_that_is_killed() {
    let dir = std::env::var(DIR).expect("started by the test above");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(async {
        let clock = SystemClock::start();
        let store = Store::open(Config::new(dir), Arc::new(clock)).unwrap();
        tokio::join!(accept(&store, clock), run(&store, clock));
    });
}

async fn accept(store: &Store, clock: SystemClock) {
    for number in 0_usize.. {
        let event = event(
            "sum",
            vec![b'1'; if number % 10 == 0 { 100_000 } else { 100 }],
        );
        let id = event.request_id;
        store
            .queue()
            .accept(event, clock.timestamp())
            .await
            .unwrap();
        println!("accepted {id}.");
    }
}

async fn run(store: &Store, clock: SystemClock) {
    loop {
        let lanes = store.queue().lanes().await.unwrap();
        for arrival in lanes {
            let ask = Ask {
                lane: arrival.lane,
                count_max: 3,
                bytes_max: u64::MAX,
            };
            let claimed = store.queue().claim(ask, clock.timestamp()).await.unwrap();
            for event in &claimed.events {
                println!("claimed {}.", event.event.request_id);
            }
            for event in claimed.events {
                let settlement = Settlement::Succeeded(None, clock.timestamp());
                store.queue().settle(event.key, settlement).await.unwrap();
                println!("settled {}.", event.event.request_id);
            }
        }
    }
}
