//! One server, one data directory, for its own user only.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use kiln_store::Error;
use kiln_types::ManualClock;

use crate::sample::{Sample, account, function, open};

#[tokio::test]
async fn a_directory_in_use_is_refused_with_the_holders_pid() {
    let sample = Sample::new();
    let refused = open(sample.dir.path(), Arc::new(ManualClock::default()))
        .err()
        .unwrap();
    let pid = std::process::id().to_string();
    assert!(
        matches!(&refused, Error::InUse { pid: holder, .. } if *holder == pid),
        "{refused}"
    );
    assert!(refused.to_string().contains(&pid));
    sample.store.close().await.unwrap();
    assert!(open(sample.dir.path(), Arc::new(ManualClock::default())).is_ok());
}

#[tokio::test]
async fn a_closed_store_refuses_changes_and_still_answers_from_memory() {
    let sample = Sample::new();
    let sum = sample.store.create_function(function("sum")).await.unwrap();
    sample.store.close().await.unwrap();
    sample.store.close().await.unwrap();
    let refused = sample.store.create_function(function("late")).await;
    assert!(matches!(refused, Err(Error::Closed)), "{refused:?}");
    assert!(matches!(
        sample.store.logs().flush().await,
        Err(Error::Closed)
    ));
    assert!(sample.store.function(&sum.id).is_some());
}

#[tokio::test]
async fn nobody_else_can_read_the_data() {
    let sample = Sample::new();
    sample.store.keys().administrator(&account()).await.unwrap();
    let mode = |path: &str| {
        let metadata = std::fs::metadata(sample.dir.path().join(path)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode(""), 0o700);
    for file in [
        "meta.db",
        "meta.db-wal",
        "meta.db-shm",
        "logs.db",
        "usage.db",
        "lock",
    ] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
    for dir in ["artifacts", "buckets"] {
        assert_eq!(mode(dir), 0o700, "{dir}");
    }
}

#[tokio::test]
async fn data_of_a_newer_version_is_refused() {
    let sample = Sample::new();
    sample.store.close().await.unwrap();
    let database = rusqlite::Connection::open(sample.dir.path().join("usage.db")).unwrap();
    database
        .execute("UPDATE format SET version = 99", [])
        .unwrap();
    drop(database);
    let refused = open(sample.dir.path(), sample.clock.clone()).err().unwrap();
    assert!(
        matches!(refused, Error::Newer { found: 99, .. }),
        "{refused}"
    );
}

#[test]
fn a_damaged_document_is_reported_and_not_skipped() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let sample = Sample::new();
    runtime.block_on(async {
        sample.store.create_function(function("sum")).await.unwrap();
        sample.store.close().await.unwrap();
    });
    let database = rusqlite::Connection::open(sample.dir.path().join("meta.db")).unwrap();
    database
        .execute("UPDATE function SET document = '{}'", [])
        .unwrap();
    drop(database);
    let refused = open(sample.dir.path(), sample.clock.clone()).err().unwrap();
    assert!(matches!(refused, Error::Damaged { .. }), "{refused}");
}
