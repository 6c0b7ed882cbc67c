//! What the writer thread promises to those who queue changes.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

const SPEC: Spec = Spec {
    file: "test.db",
    durability: Durability::Disk,
    linger: Duration::ZERO,
    checkpoint: Checkpoint::Inline,
    wipes: false,
    migrations: &["
        CREATE TABLE parent (id INTEGER PRIMARY KEY) STRICT;
        CREATE TABLE child (
            id INTEGER PRIMARY KEY,
            parent INTEGER NOT NULL REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED
        ) STRICT;
    "],
};

fn insert(sql: &'static str) -> impl FnOnce(&Connection) -> Result<usize, Error> + Send {
    move |to| to.execute(sql, []).doing("insert")
}

async fn count(database: &Database) -> u32 {
    let select = "SELECT (SELECT count(*) FROM parent) + (SELECT count(*) FROM child)";
    let count = move |from: &Connection| from.query_row(select, [], |row| row.get(0));
    database.read("count", count).await.unwrap()
}

/// Holds the writer until the returned sender is dropped, so that what is queued meanwhile is
/// committed together.
fn hold(database: &Arc<Database>) -> Sender<()> {
    let (release, held) = mpsc::channel::<()>();
    let wait = move |_: &Connection| {
        let _ = held.recv();
        Ok(())
    };
    database.write_later("hold", wait, || ()).unwrap();
    release
}

#[tokio::test]
async fn commits_wait_for_what_the_spec_says() {
    for (durability, expected) in [(Durability::Disk, 2), (Durability::Kernel, 1)] {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(dir.path(), &Spec { durability, ..SPEC }).unwrap();
        let ask = |connection: &Connection| {
            let synchronous = connection.pragma_query_value(None, "synchronous", |row| row.get(0));
            let journal = connection.pragma_query_value(None, "journal_mode", |row| row.get(0));
            Ok::<(i64, String), Error>((synchronous.doing("ask")?, journal.doing("ask")?))
        };
        let (synchronous, journal) = database.write("ask", ask).await.unwrap();
        assert_eq!(synchronous, expected);
        assert_eq!(journal, "wal");
    }
}

#[tokio::test]
async fn a_change_that_fails_takes_no_other_of_its_group_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let database = Arc::new(Database::open(dir.path(), &SPEC).unwrap());
    let release = hold(&database);
    let fails = |to: &Connection| {
        insert("INSERT INTO parent VALUES (2)")(to)?;
        insert("INSERT INTO nowhere VALUES (1)")(to)
    };
    let first = database.write("first", insert("INSERT INTO parent VALUES (1)"));
    let second = database.write("second", fails);
    let third = database.write("third", insert("INSERT INTO parent VALUES (3)"));
    let (first, second, third, ()) =
        tokio::join!(first, second, third, async move { drop(release) });
    assert!(first.is_ok() && second.is_err() && third.is_ok());
    assert_eq!(count(&database).await, 2);
}

#[tokio::test]
async fn a_commit_that_fails_is_told_to_all_and_published_to_none() {
    let dir = tempfile::tempdir().unwrap();
    let database = Arc::new(Database::open(dir.path(), &SPEC).unwrap());
    let (published, failed) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let release = hold(&database);
    let counter = failed.clone();
    let later = |to: &Connection| insert("INSERT INTO parent VALUES (7)")(to).map(|_| ());
    let count_failure = move || {
        counter.fetch_add(1, Ordering::Relaxed);
    };
    database.write_later("later", later, count_failure).unwrap();
    let publish = |published: &Arc<AtomicU32>| {
        let published = published.clone();
        move |_: &usize| {
            published.fetch_add(1, Ordering::Relaxed);
        }
    };
    let sound = insert("INSERT INTO parent VALUES (1)");
    // Its parent is missed only when everything is committed.
    let orphan = insert("INSERT INTO child VALUES (1, 99)");
    let sound = database.write_then("sound", sound, publish(&published));
    let orphan = database.write_then("orphan", orphan, publish(&published));
    let (sound, orphan, ()) = tokio::join!(sound, orphan, async move { drop(release) });
    assert!(sound.is_err() && orphan.is_err(), "{sound:?} {orphan:?}");
    let after = insert("INSERT INTO parent VALUES (2)");
    database
        .write_then("after", after, publish(&published))
        .await
        .unwrap();
    let counts = (
        published.load(Ordering::Relaxed),
        failed.load(Ordering::Relaxed),
    );
    assert_eq!((counts, count(&database).await), ((1, 1), 1));
}

#[tokio::test]
async fn changes_that_nobody_waits_for_are_committed_on_close() {
    let dir = tempfile::tempdir().unwrap();
    let linger = Duration::from_millis(300);
    let database = Database::open(dir.path(), &Spec { linger, ..SPEC }).unwrap();
    let later = |to: &Connection| insert("INSERT INTO parent VALUES (7)")(to).map(|_| ());
    database
        .write_later("later", later, || panic!("it should not fail"))
        .unwrap();
    database.close().await.unwrap();
    let database = Database::open(dir.path(), &SPEC).unwrap();
    assert_eq!(count(&database).await, 1);
}

#[tokio::test]
async fn readers_cannot_write() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(dir.path(), &SPEC).unwrap();
    let write = |from: &Connection| from.execute("INSERT INTO parent VALUES (1)", []);
    assert!(database.read("write", write).await.is_err());
}

#[tokio::test]
async fn what_is_for_the_kernel_does_not_wait_for_the_disk_and_the_next_change_does_again() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(dir.path(), &SPEC).unwrap();
    let ask = |connection: &Connection| {
        let synchronous = connection.pragma_query_value(None, "synchronous", |row| row.get(0));
        synchronous.doing("ask")
    };
    for _ in 0..2 {
        let waits: Result<i64, Error> = database.write_to_kernel("ask", ask, |_| ()).await;
        assert_eq!(waits.unwrap(), 1);
        let waits: Result<i64, Error> = database.write("ask", ask).await;
        assert_eq!(waits.unwrap(), 2);
    }
}

#[tokio::test]
async fn a_transaction_that_the_database_gives_up_takes_its_whole_group_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let database = Arc::new(Database::open(dir.path(), &SPEC).unwrap());
    let release = hold(&database);
    // As on a full disk: the statement fails, and with it all of the transaction.
    let fills = |to: &Connection| {
        to.pragma_update(None, "max_page_count", 20)
            .doing("limit")?;
        let table = "CREATE TABLE filled (bytes BLOB NOT NULL) STRICT";
        to.execute_batch(table).doing("fill")?;
        insert("INSERT INTO filled VALUES (zeroblob(10000000))")(to)
    };
    let before = database.write("before", insert("INSERT INTO parent VALUES (1)"));
    let fills = database.write("fills", fills);
    let after = database.write("after", insert("INSERT INTO parent VALUES (2)"));
    let (before, fills, after, ()) =
        tokio::join!(before, fills, after, async move { drop(release) });
    assert!(before.is_err() && fills.is_err() && after.is_err());
    assert_eq!(
        count(&database).await,
        0,
        "what is told to fail is not made"
    );
    let again = insert("INSERT INTO parent VALUES (3)");
    database.write("again", again).await.unwrap();
}

const FAILING_DIR: &str = "KILN_STORE_FAILING_DIR";

#[test]
fn a_disk_that_fails_under_a_commit_stops_the_writer_for_good() {
    let dir = tempfile::tempdir().unwrap();
    // The kernel refuses to write beyond so many blocks, and not for want of room.
    let limited = "trap '' XFSZ; ulimit -f 1000; exec \"$0\" \"$@\"";
    let child = std::process::Command::new("sh")
        .args(["-c", limited])
        .arg(std::env::current_exe().unwrap())
        .args([
            "database::tests::child_whose_disk_fails",
            "--exact",
            "--ignored",
        ])
        .env(FAILING_DIR, dir.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && told.contains("1 passed"),
        "{told}"
    );
}

#[tokio::test]
#[ignore = "the process that a_disk_that_fails_under_a_commit_stops_the_writer_for_good starts"]
async fn child_whose_disk_fails() {
    let dir = std::env::var(FAILING_DIR).expect("started by the test above");
    let database = Database::open(Path::new(&dir), &SPEC).unwrap();
    let table = |to: &Connection| {
        let table = "CREATE TABLE filled (bytes BLOB NOT NULL) STRICT";
        to.execute_batch(table).doing("fill")
    };
    database.write("fill", table).await.unwrap();
    let fill = || {
        database.write(
            "fill",
            insert("INSERT INTO filled VALUES (zeroblob(100000))"),
        )
    };
    let mut kept = 0;
    let failed = loop {
        match fill().await {
            Ok(_) => kept += 1,
            Err(failed) => break failed,
        }
    };
    assert!(matches!(failed, Error::Stopped("fill")), "{failed:?}");
    // There would be room for this one.
    let small = database.write("small", insert("INSERT INTO parent VALUES (1)"));
    let small = small.await;
    assert!(matches!(small, Err(Error::Stopped("small"))), "{small:?}");
    let count = |from: &Connection| {
        from.query_row("SELECT count(*) FROM filled", [], |row| {
            row.get::<_, u32>(0)
        })
    };
    assert_eq!(database.read("count", count).await.unwrap(), kept);
    assert!(kept > 0);
}
