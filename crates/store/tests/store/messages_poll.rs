//! Waiting for messages, in real time.

use std::sync::Arc;
use std::time::Duration;

use kiln_store::messages::{Message, Receive};
use kiln_store::{Config, Store};
use kiln_types::{Clock, SystemClock};
use tokio::task::JoinSet;

use crate::messages::{ask, make, message, queue_id};

struct Waiting {
    store: Store,
    clock: Arc<SystemClock>,
    _dir: tempfile::TempDir,
}

impl Waiting {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock::start());
        let store = Store::open(Config::new(dir.path()), clock.clone()).unwrap();
        make(&store, "orders").await;
        Self {
            store,
            clock,
            _dir: dir,
        }
    }

    async fn poll(&self, ask: Receive, wait_ms: u64) -> Vec<Message> {
        let wait = Duration::from_millis(wait_ms);
        let polled =
            self.store
                .messages()
                .poll(ask, wait, self.clock.as_ref(), std::future::pending());
        polled.await.unwrap()
    }

    async fn send(&self, count: usize) {
        let sent = (0..count).map(|_| message("orders", "x")).collect();
        let now = self.clock.timestamp();
        for one in self.store.messages().send(sent, now).await.unwrap() {
            one.unwrap();
        }
    }
}

#[tokio::test]
async fn whoever_waits_gets_the_message_when_it_arrives() {
    let waiting = Waiting::new().await;
    let began = waiting.clock.now();
    let (got, ()) = tokio::join!(waiting.poll(ask("orders", 1), 20_000), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        waiting.send(1).await;
    });
    assert_eq!(got.len(), 1);
    assert!(waiting.clock.now().since(began) < Duration::from_secs(10));
}

#[tokio::test]
async fn nobody_waits_longer_than_was_said() {
    let waiting = Waiting::new().await;
    let began = waiting.clock.now();
    assert!(waiting.poll(ask("orders", 1), 100).await.is_empty());
    let waited = waiting.clock.now().since(began);
    assert!(waited >= Duration::from_millis(100) && waited < Duration::from_secs(10));
}

#[tokio::test]
async fn whoever_is_told_to_stop_waits_no_longer_and_keeps_what_it_takes() {
    let waiting = Waiting::new().await;
    let messages = waiting.store.messages();
    let poll = |stop| {
        let wait = Duration::from_secs(20);
        messages.poll(ask("orders", 1), wait, waiting.clock.as_ref(), stop)
    };
    let began = waiting.clock.now();
    assert!(poll(std::future::ready(())).await.unwrap().is_empty());
    assert!(waiting.clock.now().since(began) < Duration::from_secs(10));
    waiting.send(1).await;
    // What is there is taken by a write, which is not left half way.
    assert_eq!(poll(std::future::ready(())).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_hidden_message_is_received_when_its_time_is_over() {
    let waiting = Waiting::new().await;
    waiting.send(1).await;
    let short = Receive {
        visibility_timeout: Some(Duration::from_secs(1)),
        ..ask("orders", 1)
    };
    assert_eq!(waiting.poll(short, 0).await[0].received, 1);
    let began = waiting.clock.now();
    assert_eq!(waiting.poll(ask("orders", 1), 20_000).await[0].received, 2);
    assert!(waiting.clock.now().since(began) < Duration::from_secs(10));
}

#[tokio::test]
async fn each_of_many_that_wait_gets_one_of_many_that_arrive() {
    let waiting = Arc::new(Waiting::new().await);
    let mut polls = JoinSet::new();
    for _ in 0..20 {
        let waiting = waiting.clone();
        polls.spawn(async move { waiting.poll(ask("orders", 1), 20_000).await.len() });
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    waiting.send(20).await;
    let got = tokio::time::timeout(Duration::from_secs(10), polls.join_all()).await;
    assert_eq!(got.unwrap().iter().sum::<usize>(), 20);
}

#[tokio::test]
async fn who_stops_waiting_passes_on_what_was_told() {
    let waiting = Arc::new(Waiting::new().await);
    waiting.send(1).await;
    let held = Receive {
        visibility_timeout: Some(Duration::from_secs(1)),
        ..ask("orders", 1)
    };
    assert_eq!(waiting.poll(held, 0).await.len(), 1);
    // The one that waits briefly was told of the next message last.
    let mut long = JoinSet::new();
    long.spawn({
        let waiting = waiting.clone();
        async move { waiting.poll(ask("orders", 1), 20_000).await.len() }
    });
    let brief = waiting.poll(ask("orders", 1), 300).await;
    assert!(brief.is_empty());
    let got = tokio::time::timeout(Duration::from_secs(10), long.join_next()).await;
    assert_eq!(got.unwrap().unwrap().unwrap(), 1);
}

#[tokio::test]
async fn a_purge_does_not_end_the_waiting_and_a_deleted_queue_does() {
    let waiting = Arc::new(Waiting::new().await);
    let mut poll = JoinSet::new();
    poll.spawn({
        let waiting = waiting.clone();
        async move { waiting.poll(ask("orders", 1), 20_000).await.len() }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let messages = waiting.store.messages();
    messages.purge(&queue_id("orders")).await.unwrap();
    waiting.send(1).await;
    let got = tokio::time::timeout(Duration::from_secs(10), poll.join_next()).await;
    assert_eq!(got.unwrap().unwrap().unwrap(), 1);
    let (refused, ()) = tokio::join!(
        messages.poll(
            ask("orders", 1),
            Duration::from_secs(20),
            waiting.clock.as_ref(),
            std::future::pending(),
        ),
        async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            messages.remove(&queue_id("orders")).await.unwrap();
        }
    );
    assert!(refused.is_err());
}
