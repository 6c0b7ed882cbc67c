//! Messages survive `kill -9`: what was sent is there until it is deleted, and what was deleted is not.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kiln_store::messages::{NewMessage, Receive};
use kiln_store::{Config, Store};
use kiln_types::{Clock as _, SystemClock};

use crate::killed;
use crate::messages::{ask, make, message, queue_id};

const DIR: &str = "KILN_STORE_MESSAGES_CRASH_DIR";
const QUEUES: [&str; 2] = ["orders", "orders.fifo"];

/// What children had been told when they were killed.
#[derive(Default)]
struct Ledger {
    sent: BTreeSet<String>,
    received: BTreeSet<String>,
    deleted: BTreeSet<String>,
}

#[test]
fn what_was_sent_survives_kill_9_until_it_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut ledger = Ledger::default();
    for round in 0..6 {
        run_and_kill(dir.path(), 60 + round * 71, &mut ledger);
        let found = runtime.block_on(look(dir.path()));
        let undeleted = ledger.sent.difference(&ledger.deleted);
        let lost: Vec<String> = undeleted
            .filter(|id| !found.contains(*id))
            .cloned()
            .collect();
        // The deletion of these was under way when the child died.
        assert!(
            lost.iter().all(|id| ledger.received.contains(id)),
            "{lost:?}"
        );
        assert!(
            lost.len() <= QUEUES.len(),
            "one is deleted at a time of each queue: {lost:?}"
        );
        ledger.deleted.extend(lost);
        let again: Vec<_> = found.intersection(&ledger.deleted).collect();
        assert!(again.is_empty(), "deleted and still there: {again:?}");
    }
    assert!(ledger.deleted.len() > 10, "{}", ledger.deleted.len());
}

/// The messages that are there: each is in the counts and can be received.
async fn look(dir: &Path) -> BTreeSet<String> {
    let clock = Arc::new(SystemClock::start());
    let store = Store::open(Config::new(dir), clock.clone()).unwrap();
    let mut found = BTreeSet::new();
    for queue in QUEUES {
        let counted = store.messages().count(&queue_id(queue), clock.timestamp());
        let counted = counted.unwrap();
        // Those that were in flight come later.
        let later = clock.timestamp() + Duration::from_secs(60);
        let all = Receive {
            visibility_timeout: Some(Duration::ZERO),
            ..ask(queue, 100_000)
        };
        let messages = store.messages().receive(all, later).await.unwrap().messages;
        assert_eq!(messages.len() as u64, counted.visible + counted.in_flight);
        found.extend(messages.into_iter().map(|one| one.body[..36].to_owned()));
    }
    store.close().await.unwrap();
    found
}

/// Kills a child after so many lines.
fn run_and_kill(dir: &Path, lines_max: usize, ledger: &mut Ledger) {
    let child = "messages_crash::child_that_is_killed";
    killed::run_and_kill(child, (DIR, dir), lines_max, |line| {
        // A line that the end cut off has no full stop.
        let Some((what, id)) = line.strip_suffix('.').and_then(|line| line.split_once(' ')) else {
            return false;
        };
        let set = match what {
            "sent" => &mut ledger.sent,
            "received" => &mut ledger.received,
            "deleted" => &mut ledger.deleted,
            _ => return false,
        };
        set.insert(id.to_owned());
        true
    });
}

#[test]
#[ignore = "the process that what_was_sent_survives_kill_9_until_it_is_deleted starts and kills"]
fn child_that_is_killed() {
    let dir = std::env::var(DIR).expect("started by the test above");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let clock = SystemClock::start();
        let store = Store::open(Config::new(dir), Arc::new(clock)).unwrap();
        for queue in QUEUES {
            if store.messages().get(&queue_id(queue)).is_none() {
                make(&store, queue).await;
            }
        }
        tokio::join!(
            send(&store, QUEUES[0], clock),
            send(&store, QUEUES[1], clock),
            handle(&store, QUEUES[0], clock),
            handle(&store, QUEUES[1], clock),
        );
    });
}

async fn send(store: &Store, queue: &str, clock: SystemClock) {
    for number in 0_usize.. {
        let mut sent = message(queue, "");
        let id = sent.id.to_string();
        let size = if number % 10 == 0 { 100_000 } else { 100 };
        sent.body = id.clone() + &"x".repeat(size);
        if queue.ends_with(".fifo") {
            sent = NewMessage {
                group: Some((number % 7).to_string()),
                deduplication: Some(id.clone()),
                ..sent
            };
        }
        let told = store
            .messages()
            .send(vec![sent], clock.timestamp())
            .await
            .unwrap();
        assert!(told[0].is_ok(), "{told:?}");
        println!("sent {id}.");
        // So that some are left for whoever handles them to be behind.
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
}

async fn handle(store: &Store, queue: &str, clock: SystemClock) {
    let id = queue_id(queue);
    loop {
        let wait = Duration::from_secs(5);
        let received = store
            .messages()
            .poll(ask(queue, 3), wait, &clock, std::future::pending())
            .await
            .unwrap();
        for one in received {
            println!("received {}.", &one.body[..36]);
            let receipts = vec![one.receipt];
            store
                .messages()
                .delete(&id, receipts, clock.timestamp())
                .await
                .unwrap();
            println!("deleted {}.", &one.body[..36]);
        }
    }
}
