//! What was acknowledged is there after `kill -9`, wherever it strikes.

use std::path::Path;
use std::sync::Arc;

use kiln_store::{Config, Error, EventQuery, LogError, Store};
use kiln_types::log::{LogRecord, LogStream};
use kiln_types::{
    Architecture, EphemeralMb, Function, InvocationStatus, ManualClock, MemoryMb, RequestId,
    Sha256, SystemClock, Timestamp, UsageRecord, Version, limits,
};
use sha2::Digest;

use crate::killed;
use crate::raw_zip::{build, file};
use crate::sample::{account, function, id, open};

const DIR: &str = "KILN_STORE_CRASH_DIR";

/// What a child had been told is done when it was killed.
#[derive(Default)]
struct Acknowledged {
    updates: u64,
    records: u64,
    logs: u64,
    packages: u64,
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut done = Acknowledged::default();
    for round in 0..6 {
        run_and_kill(dir.path(), 20 + round * 37, &mut done);
        let store = open(dir.path(), Arc::new(ManualClock::default())).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(assert_kept(&store, &mut done, dir.path()));
    }
    let Acknowledged {
        updates,
        records,
        logs,
        packages,
    } = done;
    assert!(
        [updates, records, logs, packages]
            .iter()
            .all(|count| *count > 0)
    );
}

/// Kills a child after so many acknowledgements, in the middle of what it does next.
fn run_and_kill(dir: &Path, acknowledgements: usize, done: &mut Acknowledged) {
    let child = "crash::child_that_is_killed";
    killed::run_and_kill(child, (DIR, dir), acknowledgements, |line| {
        let Some((what, count)) = acknowledgement(line) else {
            return false;
        };
        match what {
            "update" => done.updates = count,
            "record" => done.records = count,
            "log" => done.logs = count,
            _ => done.packages = done.packages.max(count),
        }
        true
    });
}

/// None for other lines, and for one that the end cut off.
fn acknowledgement(line: &str) -> Option<(&str, u64)> {
    let (what, count) = line.strip_prefix("done ")?.split_once(' ')?;
    Some((what, count.parse().ok()?))
}

/// What was acknowledged is there, and of what was not, at most the one in progress. That one
/// counts from now on: the next child goes on from what it finds.
fn settle(what: &str, acknowledged: &mut u64, found: u64) {
    let expected = *acknowledged..=*acknowledged + 1;
    assert!(
        expected.contains(&found),
        "{found} {what}, not {expected:?}"
    );
    *acknowledged = found;
}

async fn assert_kept(store: &Store, done: &mut Acknowledged, dir: &Path) {
    let function = store.function(&id("sum")).unwrap();
    let updates = u64::from(function.reserved_concurrency.unwrap_or(0));
    settle("updates", &mut done.updates, updates);
    settle("records", &mut done.records, count_records(store).await);
    settle("logs", &mut done.logs, count_logs(store).await);
    for i in 0..done.packages {
        let sha256 = Sha256::from_bytes(sha2::Sha256::digest(package(i)).into());
        assert_eq!(store.artifacts().zip(&sha256).await.unwrap(), package(i));
        let content = std::fs::read(store.artifacts().dir(&sha256).join("index.py"));
        assert_eq!(content.unwrap(), i.to_string().repeat(1_000).as_bytes());
    }
    assert_eq!(
        std::fs::read_dir(dir.join("artifacts/tmp"))
            .unwrap()
            .count(),
        0
    );
}

async fn count_records(store: &Store) -> u64 {
    let always = (Timestamp::from_millis(0), Timestamp::from_millis(i64::MAX));
    let sums = store
        .usage()
        .summary(&account(), always.0, always.1)
        .await
        .unwrap();
    sums.iter().map(|sum| sum.count).sum()
}

async fn count_logs(store: &Store) -> u64 {
    let query = EventQuery {
        account: account(),
        group: "/aws/lambda/sum".to_owned(),
        stream: "one".to_owned(),
        start: None,
        end: None,
        token: None,
        from_head: false,
        limit: 1,
    };
    match store.logs().events(query).await {
        Ok(page) => page.events[0].message.parse().unwrap(),
        Err(LogError::NoSuchGroup(_)) => 0,
        Err(error) => panic!("{error}"),
    }
}

fn package(number: u64) -> Vec<u8> {
    build(&[file(
        "index.py",
        number.to_string().repeat(1_000).as_bytes(),
    )])
}

#[test]
#[ignore = "the process that what_was_acknowledged_survives_kill_9 starts and kills"]
fn child_that_is_killed() {
    let dir = std::env::var(DIR).expect("started by the test above");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(async {
        let config = Config::new(dir);
        let store = Store::open(config, Arc::new(SystemClock::start())).unwrap();
        match store.create_function(function("sum")).await {
            Ok(_) | Err(Error::AlreadyExists(_)) => {}
            Err(error) => panic!("{error}"),
        }
        tokio::join!(update(&store), append(&store), log(&store), put(&store));
    });
}

async fn update(store: &Store) {
    loop {
        let add = |function: &mut Function| {
            let count = function.reserved_concurrency.unwrap_or(0);
            function.reserved_concurrency = Some(count + 1);
            Ok::<_, Error>(())
        };
        let updated = store.update_function(&id("sum"), add).await.unwrap();
        println!("\ndone update {}", updated.reserved_concurrency.unwrap());
    }
}

async fn append(store: &Store) {
    let mut count = count_records(store).await;
    loop {
        let record = UsageRecord {
            request_id: RequestId::random(),
            function: id("sum"),
            version: Version::Latest,
            started: Timestamp::from_millis(count as i64),
            init_us: None,
            restore: None,
            duration_us: 1,
            billed_ms: 1,
            memory: MemoryMb::default(),
            memory_peak_mb: 1,
            ephemeral: EphemeralMb::default(),
            architecture: Architecture::X86_64,
            cpu_us: 1,
            traffic: Default::default(),
            status: InvocationStatus::Success,
            provisioned: false,
        };
        store.usage().append(vec![record]).await.unwrap();
        count += 1;
        println!("\ndone record {count}");
    }
}

async fn log(store: &Store) {
    let stream = Arc::new(LogStream {
        account: account(),
        group: "/aws/lambda/sum".to_owned(),
        name: "one".to_owned(),
    });
    for count in count_logs(store).await + 1.. {
        let time = Timestamp::from_millis(count as i64);
        let message = count.to_string();
        store.logs().append(vec![LogRecord {
            stream: stream.clone(),
            time,
            message,
        }]);
        store.logs().flush().await.unwrap();
        println!("\ndone log {count}");
    }
}

/// Begins from the first package again, which is known after the first round.
async fn put(store: &Store) {
    for number in 0.. {
        let zip = package(number).into();
        store
            .artifacts()
            .put_zip(zip, limits::ZIPPED_BYTES_MAX)
            .await
            .unwrap();
        println!("\ndone package {}", number + 1);
    }
}
