//! Measures message queues on this machine: `cargo run --release -p kiln-store --example measure_messages [dir]`.
//!
//! Prints one line a measure: messages of 1 KB sent by many at once, each on disk before its sender goes
//! on, and then received and deleted by as many; one at a time and ten at a time, of a standard queue and
//! of a FIFO queue; with asynchronous events accepted beside them in the same run, to compare.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kiln_store::messages::{Fifo, NewMessage, Receive, Settings};
use kiln_store::queue::NewEvent;
use kiln_store::{Config, Store};
use kiln_types::{
    Clock, FunctionArn, FunctionId, MessageId, QueueId, Region, RequestId, SystemClock,
};
use tokio::task::JoinSet;

/// Messages of each measure.
const TOTAL: usize = 40_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let temporary = std::env::temp_dir().join(format!("kiln-measure-{}", std::process::id()));
    let dir = std::env::args().nth(1).map_or(temporary, Into::into);
    let clock = Arc::new(SystemClock::start());
    let store = Store::open(Config::new(dir.clone()), clock.clone())?;
    for tasks in [64, 1_024] {
        events(&store, *clock, tasks).await;
    }
    for queue in ["standard", "ordered.fifo"] {
        let id = id(queue);
        let settings = Settings {
            fifo: id.name.is_fifo().then(Fifo::default),
            ..Settings::default()
        };
        let made = store
            .messages()
            .create(id, settings, BTreeMap::new(), clock.timestamp());
        made.await?;
        for (tasks, batch) in [(64, 1), (1_024, 1), (64, 10)] {
            send(&store, *clock, queue, (tasks, batch)).await;
            handle(&store, *clock, queue, (tasks, batch)).await;
        }
    }
    store.close().await?;
    println!("data left in {}", dir.display());
    Ok(())
}

async fn events(store: &Store, clock: SystemClock, tasks: usize) {
    let start = clock.now();
    let mut all = JoinSet::new();
    for task in 0..tasks {
        let store = store.clone();
        all.spawn(async move {
            for _ in 0..TOTAL / tasks {
                let function = FunctionId {
                    account: Default::default(),
                    name: format!("f{}", task % 10).parse().expect("a name"),
                };
                let event = NewEvent {
                    request_id: RequestId::random(),
                    invoked_arn: FunctionArn::new(Region::default(), &function),
                    function,
                    qualifier: None,
                    client_context: None,
                    tenant: None,
                    trace: None,
                    payload: vec![b'1'; 1_000].into(),
                };
                let accepted = store.queue().accept(event, clock.timestamp());
                accepted.await.expect("there is room");
            }
        });
    }
    all.join_all().await;
    print(
        &format!("events accepted by {tasks}"),
        clock.now().since(start),
    );
}

async fn send(store: &Store, clock: SystemClock, queue: &'static str, of: (usize, usize)) {
    let (tasks, batch) = of;
    let start = clock.now();
    let mut all = JoinSet::new();
    for task in 0..tasks {
        let store = store.clone();
        all.spawn(async move {
            for _ in 0..TOTAL / tasks / batch {
                let part = (0..batch).map(|_| message(queue, task)).collect();
                let sent = store.messages().send(part, clock.timestamp()).await;
                let sent = sent.expect("the store works");
                assert!(sent.iter().all(Result::is_ok), "there is room: {sent:?}");
            }
        });
    }
    all.join_all().await;
    print(
        &format!("{queue}: sent by {tasks}, {batch} at a time"),
        clock.now().since(start),
    );
}

async fn handle(store: &Store, clock: SystemClock, queue: &'static str, of: (usize, usize)) {
    let (tasks, batch) = of;
    let start = clock.now();
    let mut all = JoinSet::new();
    for _ in 0..tasks {
        let store = store.clone();
        all.spawn(async move {
            let ask = Receive {
                queue: id(queue),
                count_max: batch as u32,
                visibility_timeout: None,
                bytes_max: usize::MAX,
                attempt: None,
            };
            loop {
                let received = store
                    .messages()
                    .receive(ask.clone(), clock.timestamp())
                    .await;
                let messages = received.expect("the store works").messages;
                let count = store.messages().count(&ask.queue, clock.timestamp());
                if messages.is_empty() && count.is_none_or(|count| count.visible == 0) {
                    break;
                }
                let receipts = messages.iter().map(|one| one.receipt).collect();
                let deleted = store
                    .messages()
                    .delete(&ask.queue, receipts, clock.timestamp());
                deleted.await.expect("the store works");
            }
        });
    }
    all.join_all().await;
    let what = format!("{queue}: received and deleted by {tasks}, {batch} at a time");
    print(&what, clock.now().since(start));
}

fn id(queue: &str) -> QueueId {
    QueueId {
        account: Default::default(),
        name: queue.parse().expect("a name"),
    }
}

fn message(queue: &str, task: usize) -> NewMessage {
    let id_of = MessageId::random();
    let is_fifo = queue.ends_with(".fifo");
    NewMessage {
        id: id_of,
        queue: id(queue),
        body: "1".repeat(1_000),
        attributes: BTreeMap::new(),
        trace: None,
        sender: "AIDATEST".to_owned(),
        group: is_fifo.then(|| task.to_string()),
        deduplication: is_fifo.then(|| id_of.to_string()),
        delay: None,
    }
}

fn print(what: &str, took: Duration) {
    println!("{what}: {:.0} a second", TOTAL as f64 / took.as_secs_f64());
}
