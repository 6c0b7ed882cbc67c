//! Measures the store on this machine: `cargo run --release -p kiln-store --example measure [dir]`.
//!
//! Prints one line a measure: latency of durable function updates beside the disk's own (the
//! floor, in the same run), throughput of many at once, reads from memory, log records, and
//! asynchronous events.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kiln_store::queue::{Ask, NewEvent, Settlement};
use kiln_store::{Config, Error, Store};
use kiln_types::function::{Code, LoggingConfig};
use kiln_types::log::{LogRecord, LogStream};
use kiln_types::{
    AccountId, Architecture, Clock, Configuration, EphemeralMb, Function, FunctionArn, FunctionId,
    MemoryMb, Region, RequestId, RevisionId, Sha256, State, SystemClock, TimeoutSecs, Timestamp,
    UpdateStatus, Version,
};
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let temporary = std::env::temp_dir().join(format!("kiln-measure-{}", std::process::id()));
    let dir = std::env::args().nth(1).map_or(temporary, Into::into);
    let clock = Arc::new(SystemClock::start());
    let store = Store::open(Config::new(dir.clone()), clock.clone())?;
    for number in 0..1_000 {
        store.create_function(function(number)).await?;
    }
    disk_floor(&dir, clock.as_ref());
    one_after_another(&store, clock.as_ref()).await?;
    many_at_once(&store, clock.as_ref()).await?;
    reads(&store, clock.as_ref());
    logs(&store, clock.as_ref()).await?;
    for waiting in [64, 1_024] {
        events(&store, clock.as_ref(), waiting).await?;
    }
    store.close().await?;
    println!("data left in {}", dir.display());
    Ok(())
}

/// What a durable update cannot be faster than: 8 KiB appended to a file and synced.
fn disk_floor(dir: &Path, clock: &SystemClock) {
    let mut file = File::create(dir.join("floor")).expect("the directory is writable");
    let mut latencies = Vec::new();
    for _ in 0..1_000 {
        let start = clock.now();
        let written = file.write_all(&[7; 8_192]).and_then(|()| file.sync_data());
        written.expect("the disk has room");
        latencies.push(clock.now().since(start));
    }
    print_latencies("floor: append 8 KiB and fdatasync", latencies);
}

async fn one_after_another(store: &Store, clock: &SystemClock) -> Result<(), Error> {
    let mut latencies = Vec::new();
    for number in 0..1_000 {
        let start = clock.now();
        update(store, number % 1_000).await?;
        latencies.push(clock.now().since(start));
    }
    print_latencies("function update, one after another", latencies);
    Ok(())
}

async fn many_at_once(store: &Store, clock: &SystemClock) -> Result<(), Error> {
    let start = clock.now();
    let mut updates = JoinSet::new();
    for task in 0..64 {
        let store = store.clone();
        updates.spawn(async move {
            for number in 0..100 {
                update(&store, (task * 100 + number) % 1_000).await?;
            }
            Ok::<_, Error>(())
        });
    }
    updates
        .join_all()
        .await
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    per_second(
        "function updates by 64 tasks",
        6_400,
        clock.now().since(start),
    );
    Ok(())
}

fn reads(store: &Store, clock: &SystemClock) {
    let ids: Vec<_> = (0..1_000).map(id).collect();
    let start = clock.now();
    let found = (0..1_000)
        .flat_map(|_| &ids)
        .filter(|id| store.function(id).is_some())
        .count();
    let took = clock.now().since(start);
    per_second("function reads from memory", found, took);
}

async fn logs(store: &Store, clock: &SystemClock) -> Result<(), Error> {
    let streams: Vec<_> = (0..20).map(stream).collect();
    let (records, per_append) = (300_000_usize, 3);
    let start = clock.now();
    let mut blocked = Duration::ZERO;
    for number in 0..records / per_append {
        let stream = &streams[number % streams.len()];
        let batch = (0..per_append).map(|line| LogRecord {
            stream: stream.clone(),
            time: Timestamp::from_millis(number as i64),
            message: format!("line {line} of invocation {number}: {}", "x".repeat(80)),
        });
        let batch = batch.collect();
        let before = clock.now();
        store.logs().append(batch);
        blocked += clock.now().since(before);
        // The queue is bounded: give the writer its share, as invocations do.
        if number % 10_000 == 9_999 {
            store.logs().flush().await?;
        }
    }
    store.logs().flush().await?;
    per_second(
        "log records, about 110 bytes each",
        records,
        clock.now().since(start),
    );
    let each = blocked / (records / per_append) as u32;
    println!(
        "log append call: {each:?} mean, {} records dropped",
        store.logs().dropped()
    );
    Ok(())
}

/// Asynchronous events of 1 KB, each on disk before the next of its task, by so many tasks for ten
/// functions; then as many claimed and settled.
async fn events(store: &Store, clock: &SystemClock, waiting: usize) -> Result<(), Error> {
    let each = 100_000 / waiting;
    let start = clock.now();
    let mut accepts = JoinSet::new();
    for task in 0..waiting {
        let (store, clock) = (store.clone(), *clock);
        accepts.spawn(async move {
            let mut latencies = Vec::new();
            for _ in 0..each {
                let before = clock.now();
                let accepted = store.queue().accept(event(task % 10), clock.timestamp());
                accepted.await.expect("there is room");
                latencies.push(clock.now().since(before));
            }
            latencies
        });
    }
    let latencies = accepts.join_all().await.concat();
    let count = latencies.len();
    let took = clock.now().since(start);
    per_second(&format!("events accepted, {waiting} waiting"), count, took);
    print_latencies("  one accept", latencies);
    let start = clock.now();
    let settled = settle_all(store, clock).await?;
    per_second(
        "events claimed and settled",
        settled,
        clock.now().since(start),
    );
    Ok(())
}

/// As many at a time as run at once.
async fn settle_all(store: &Store, clock: &SystemClock) -> Result<usize, Error> {
    let mut settled = 0;
    loop {
        let lanes = store.queue().lanes().await?;
        let mut claims = JoinSet::new();
        for arrival in lanes {
            let (store, now) = (store.clone(), clock.timestamp());
            let ask = Ask {
                lane: arrival.lane,
                count_max: 40,
                bytes_max: u64::MAX,
            };
            claims.spawn(async move { store.queue().claim(ask, now).await });
        }
        let claimed = claims.join_all().await;
        let claimed = claimed.into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut settling = JoinSet::new();
        for event in claimed.into_iter().flat_map(|one| one.events) {
            let (store, now) = (store.clone(), clock.timestamp());
            let settlement = Settlement::Succeeded(None, now);
            settling.spawn(async move { store.queue().settle(event.key, settlement).await });
        }
        if settling.is_empty() {
            return Ok(settled);
        }
        let ended = settling.join_all().await;
        settled += ended.len();
        ended.into_iter().collect::<Result<Vec<_>, _>>()?;
    }
}

fn event(function: usize) -> NewEvent {
    let function = id(function);
    NewEvent {
        request_id: RequestId::random(),
        invoked_arn: FunctionArn::new(Region::default(), &function),
        function,
        qualifier: None,
        client_context: None,
        tenant: None,
        trace: Some("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0".to_owned()),
        payload: vec![b'1'; 1_024].into(),
    }
}

fn print_latencies(what: &str, mut latencies: Vec<Duration>) {
    latencies.sort();
    let (median, slow) = (
        latencies[latencies.len() / 2],
        latencies[latencies.len() * 99 / 100],
    );
    println!("{what}: p50 {median:?}, p99 {slow:?}");
}

fn per_second(what: &str, count: usize, took: Duration) {
    println!("{what}: {:.0} a second", count as f64 / took.as_secs_f64());
}

async fn update(store: &Store, number: usize) -> Result<(), Error> {
    let change = |function: &mut Function| {
        function.reserved_concurrency = Some(function.reserved_concurrency.unwrap_or(0) + 1);
        Ok::<_, Error>(())
    };
    store.update_function(&id(number), change).await.map(|_| ())
}

fn id(number: usize) -> FunctionId {
    let name = format!("function-{number}").parse().expect("a valid name");
    FunctionId {
        account: AccountId::default(),
        name,
    }
}

fn stream(number: usize) -> Arc<LogStream> {
    let group = format!("/aws/lambda/function-{}", number % 5);
    Arc::new(LogStream {
        account: AccountId::default(),
        group,
        name: format!("stream-{number}"),
    })
}

fn function(number: usize) -> Function {
    let id = id(number);
    let created = Timestamp::from_millis(0);
    let latest = Configuration {
        version: Version::Latest,
        revision: RevisionId::random(),
        modified: created,
        runtime: Some("python3.11".parse().expect("a runtime")),
        handler: Some("index.handler".to_owned()),
        role: "arn:aws:iam::000000000000:role/kiln".to_owned(),
        description: "measured".to_owned(),
        timeout: TimeoutSecs::default(),
        memory: MemoryMb::default(),
        ephemeral: EphemeralMb::default(),
        environment: BTreeMap::from([("KEY".to_owned(), "value".to_owned())]),
        architecture: Architecture::X86_64,
        logging: LoggingConfig::of(&id),
        code: Code {
            sha256: Sha256::from_bytes([7; 32]),
            zipped_bytes: 1,
            unzipped_bytes: 1,
            signer: None,
        },
        container: None,
        layers: Vec::new(),
        file_systems: Vec::new(),
        state: State::Active,
        update: UpdateStatus::Successful,
        start: None,
        snap_start: Default::default(),
        network: None,
        slots: Default::default(),
        is_per_tenant: false,
        dead_letters: None,
        kept: BTreeMap::new(),
    };
    Function::new(id, created, latest)
}
