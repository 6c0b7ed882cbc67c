//! Ticks survive `kill -9` exactly once each: what was delivered is what the schedules have moved past.

use std::path::Path;
use std::sync::Arc;

use kiln_store::queue::Delivery;
use kiln_store::schedules::{Due, Then};
use kiln_store::{Config, Store};
use kiln_types::{Clock as _, SystemClock};

use crate::killed;
use crate::messages::{ask, message, queue_id};
use crate::queue::at;
use crate::schedules::{firing, id, new};

const DIR: &str = "KILN_STORE_SCHEDULES_CRASH_DIR";
const COUNT: i64 = 20;

#[test]
fn ticks_around_kill_9_are_delivered_exactly_once() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut before = 0;
    for round in 0..6 {
        let told = run_and_kill(dir.path(), 20 + round * 17);
        let ticks = runtime.block_on(look(dir.path()));
        assert!(ticks >= before + told, "{ticks} of {before} and {told}");
        before = ticks;
    }
}

/// How many ticks there were in all: for each schedule those before the one that is due.
async fn look(dir: &Path) -> i64 {
    let clock = Arc::new(SystemClock::start());
    let store = Store::open(Config::new(dir), clock.clone()).unwrap();
    let received = store
        .messages()
        .receive(ask("ticks", 100_000), clock.timestamp());
    let mut bodies: Vec<_> = received
        .await
        .unwrap()
        .messages
        .into_iter()
        .map(|m| m.body)
        .collect();
    let mut expected = Vec::new();
    for number in 0..COUNT {
        let id = id("default", &number.to_string());
        // The child may have been killed before it was made.
        let Some(schedule) = store.schedules().get(&id).await.unwrap() else {
            continue;
        };
        let due = schedule.due.unwrap().due.as_millis() - at(0).as_millis();
        expected.extend((0..due).map(|tick| format!("{number}:{tick}")));
    }
    bodies.sort();
    expected.sort();
    assert_eq!(bodies, expected);
    let fired = store.schedules().totals().fired;
    assert_eq!(fired, expected.len() as u64);
    // Seen in the next round too.
    store.close().await.unwrap();
    wait_until_visible().await;
    expected.len() as i64
}

/// The queue hides what was received for a second.
async fn wait_until_visible() {
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
}

/// Kills a child after so many transactions; gives the ticks that it had told of.
fn run_and_kill(dir: &Path, lines_max: usize) -> i64 {
    let mut told = 0;
    let child = "schedules_crash::child_that_is_killed";
    killed::run_and_kill(child, (DIR, dir), lines_max, |line| {
        let fired = line
            .strip_prefix("fired ")
            .and_then(|rest| rest.strip_suffix('.'));
        let fired = fired.and_then(|fired| fired.parse::<i64>().ok());
        told += fired.unwrap_or_default();
        fired.is_some()
    });
    told
}

#[test]
#[ignore = "the process that ticks_around_kill_9_are_delivered_exactly_once starts and kills"]
fn child_that_is_killed() {
    let dir = std::env::var(DIR).expect("started by the test above");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = Store::open(Config::new(dir), Arc::new(SystemClock::start())).unwrap();
        if store.messages().get(&queue_id("ticks")).is_none() {
            crate::messages::make_with(&store, "ticks", |settings| {
                settings.visibility_timeout_secs = 1;
            })
            .await;
        }
        for number in 0..COUNT {
            let new = new(id("default", &number.to_string()), 0);
            let made = store.schedules().create(new, None, at(0)).await;
            drop(made);
        }
        loop {
            let due = store.schedules().due(at(i64::MAX / 4), 7).await.unwrap();
            let tick = |schedule: kiln_store::schedules::Schedule| {
                let due = schedule.due.unwrap().due;
                let tick = due.as_millis() - at(0).as_millis();
                let body = format!("{}:{tick}", schedule.id.name);
                let next = at(tick + 1);
                let delivery = Delivery::Message(message("ticks", body));
                firing(schedule, delivery, Then::Due(Due::new(next, next)))
            };
            let firings: Vec<_> = due.into_iter().map(tick).collect();
            let count = firings.len();
            let now = SystemClock::start().timestamp();
            store.schedules().fire(firings, now).await.unwrap();
            println!("fired {count}.");
        }
    });
}
