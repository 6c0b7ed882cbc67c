//! What lies on the disk can be read by nobody who has not the master key.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use kiln_store::{Config, Error, MasterKey, ServerText, Store};
use kiln_types::ManualClock;

use crate::sample::{Sample, account, function, id, open};

/// What is in the environment of the sample's functions.
const VALUE: &str = "Gott";

/// A text in any of the files of a directory that databases are made of.
fn is_on_disk(dir: &Path, text: &str) -> bool {
    has_bytes(dir, text.as_bytes())
}

fn has_bytes(dir: &Path, text: &[u8]) -> bool {
    let files = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|file| file.is_file());
    files
        .map(|file| fs::read(file).unwrap())
        .any(|bytes| bytes.windows(text.len()).any(|part| part == text))
}

fn open_with(
    dir: &Path,
    given: Option<&MasterKey>,
    former: Option<&MasterKey>,
) -> Result<Store, Error> {
    let config = Config {
        master_key: given.cloned(),
        former_master_key: former.cloned(),
        ..Config::new(dir)
    };
    Store::open(config, Arc::new(ManualClock::default()))
}

/// Ids of data keys, and how they are wrapped.
fn data_keys(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let database = rusqlite::Connection::open(dir.join("meta.db")).unwrap();
    let select = "SELECT id, wrapped FROM data_key ORDER BY id";
    let mut select = database.prepare(select).unwrap();
    let keys = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    keys.unwrap().collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn neither_environments_nor_access_keys_are_on_the_disk_as_they_are() {
    let sample = Sample::new();
    sample.store.create_function(function("sum")).await.unwrap();
    let key = sample.store.keys().create(&account(), "ci").await.unwrap();
    let secret = sample.store.keys().function_secret().to_vec();
    assert!(!is_on_disk(sample.dir.path(), VALUE));
    assert!(!is_on_disk(sample.dir.path(), &key.secret));
    // The search finds what is there.
    assert!(is_on_disk(sample.dir.path(), "sum"));
    let sample = sample.reopened().await;
    assert!(!is_on_disk(sample.dir.path(), VALUE));
    let found = sample.store.function(&id("sum")).unwrap();
    assert!(
        found
            .latest
            .environment
            .values()
            .any(|value| value.contains(VALUE))
    );
    assert_eq!(sample.store.keys().get(&key.id), Some(key));
    assert_eq!(sample.store.keys().function_secret().to_vec(), secret);
}

#[tokio::test]
async fn what_an_older_kiln_wrote_in_plain_is_sealed_and_wiped() {
    let sample = Sample::new();
    sample.store.create_function(function("sum")).await.unwrap();
    let key = sample.store.keys().create(&account(), "ci").await.unwrap();
    let as_it_was = sample.store.function(&id("sum")).unwrap();
    sample.store.close().await.unwrap();
    // As it was before there were data keys: plain, and not known to be sealed.
    let plain = serde_json::to_string(&*as_it_was).unwrap();
    let database = rusqlite::Connection::open(sample.dir.path().join("meta.db")).unwrap();
    let write = "UPDATE function SET document = ?1";
    database.execute(write, [&plain]).unwrap();
    let write = "UPDATE access_key SET secret = ?1";
    database.execute(write, [&key.secret]).unwrap();
    let forget = "DELETE FROM sealed_column WHERE name <> 'server_secret.value'";
    database.execute(forget, []).unwrap();
    drop(database);
    assert!(is_on_disk(sample.dir.path(), VALUE));
    let sample = sample.reopened().await;
    assert!(!is_on_disk(sample.dir.path(), VALUE));
    assert!(!is_on_disk(sample.dir.path(), &key.secret));
    let found = sample.store.function(&id("sum")).unwrap();
    assert_eq!(found.latest.revision, as_it_was.latest.revision);
    assert_eq!(sample.store.keys().get(&key.id), Some(key));
}

#[tokio::test]
async fn what_was_sealed_and_not_wiped_is_wiped_at_the_next_start() {
    let sample = Sample::new();
    sample.store.create_function(function("sum")).await.unwrap();
    sample.store.close().await.unwrap();
    // As after a start that ended before it wiped: sealed, a trace of it in a page that is free, and not marked.
    let database = rusqlite::Connection::open(sample.dir.path().join("meta.db")).unwrap();
    let traces = format!(
        "PRAGMA secure_delete = OFF; CREATE TABLE trace (text TEXT); INSERT INTO trace VALUES ('{VALUE}'); DROP TABLE trace;
         DELETE FROM sealed_column WHERE name = 'function.document'"
    );
    database.execute_batch(&traces).unwrap();
    drop(database);
    assert!(is_on_disk(sample.dir.path(), VALUE));
    let sample = sample.reopened().await;
    assert!(!is_on_disk(sample.dir.path(), VALUE));
    assert!(sample.store.function(&id("sum")).is_some());
}

#[tokio::test]
async fn a_given_master_key_takes_the_place_of_the_one_that_lay_there() {
    let sample = Sample::new();
    let dir = sample.dir.path();
    sample.store.create_function(function("sum")).await.unwrap();
    let kept = dir.join("master.key");
    assert!(kept.exists());
    sample.store.close().await.unwrap();
    let given = MasterKey::random().unwrap();
    let wrapped = data_keys(dir);
    let store = open_with(dir, Some(&given), None).unwrap();
    assert!(store.function(&id("sum")).is_some());
    assert!(!kept.exists());
    assert!(!wrapped.iter().any(|(_, key)| has_bytes(dir, key)));
    store.close().await.unwrap();
    // What lies there afterwards and is no key does not matter, while there is another.
    fs::write(&kept, "no key").unwrap();
    let store = open_with(dir, Some(&given), None).unwrap();
    assert!(!kept.exists());
    store.close().await.unwrap();
    let refused = open(dir, sample.clock.clone()).err().unwrap();
    assert!(matches!(refused, Error::NoMasterKey(_)), "{refused}");
    let other = MasterKey::random().unwrap();
    let refused = open_with(dir, Some(&other), None).err().unwrap();
    assert!(matches!(refused, Error::WrongMasterKey), "{refused}");
    let store = open_with(dir, Some(&other), Some(&given)).unwrap();
    store.close().await.unwrap();
    // From then on the former one is of no use.
    let refused = open_with(dir, Some(&given), None).err().unwrap();
    assert!(matches!(refused, Error::WrongMasterKey), "{refused}");
    let store = open_with(dir, Some(&other), None).unwrap();
    assert!(store.function(&id("sum")).is_some());
}

#[tokio::test]
async fn rotation_seals_everything_by_keys_that_are_new() {
    let sample = Sample::new();
    let (store, dir) = (&sample.store, sample.dir.path().to_owned());
    for number in 0..20 {
        let name = format!("sum-{number}");
        store.create_function(function(&name)).await.unwrap();
    }
    let key = store.keys().create(&account(), "ci").await.unwrap();
    let (before, wrapped): (Vec<_>, Vec<_>) = data_keys(&dir).into_iter().unzip();
    assert!(wrapped.iter().all(|key| has_bytes(&dir, key)));
    let done = store.rotate_data_keys().await.unwrap();
    assert!(!wrapped.iter().any(|key| has_bytes(&dir, key)));
    let (after, _): (Vec<_>, Vec<_>) = data_keys(&dir).into_iter().unzip();
    // The account's, and the server's own. 20 functions, the key, and two secrets of the server.
    assert_eq!((done.keys, done.texts), (2, 23));
    assert_eq!((before.len(), after.len()), (2, 2));
    assert!(after.iter().all(|id| !before.contains(id)));
    // What is written afterwards is sealed by the new one, and all of it is there after a restart.
    store.create_function(function("late")).await.unwrap();
    let sample = sample.reopened().await;
    assert_eq!(sample.store.functions(&account()).len(), 21);
    assert_eq!(sample.store.keys().get(&key.id), Some(key));
}

#[tokio::test]
async fn texts_of_the_servers_own_are_sealed_replaced_and_forgotten() {
    let sample = Sample::new();
    let texts = sample.store.server_texts();
    let (account, certificate) = (ServerText::AcmeAccount, ServerText::AcmeCertificate);
    assert!(texts.get(account).await.unwrap().is_none());
    for text in ["the account's first key", "the account's second key"] {
        texts.put(account, text.to_owned().into()).await.unwrap();
        assert_eq!(**texts.get(account).await.unwrap().unwrap(), *text);
        assert!(!is_on_disk(sample.dir.path(), text));
    }
    texts
        .put(certificate, "PEM".to_owned().into())
        .await
        .unwrap();
    sample.store.rotate_data_keys().await.unwrap();
    let sample = sample.reopened().await;
    let texts = sample.store.server_texts();
    let kept = texts.get(account).await.unwrap().unwrap();
    assert_eq!(**kept, *"the account's second key");
    texts.remove(account).await.unwrap();
    assert!(texts.get(account).await.unwrap().is_none());
    assert!(texts.get(certificate).await.unwrap().is_some());
}

#[tokio::test]
async fn a_row_in_anothers_place_is_damaged_and_not_believed() {
    let sample = Sample::new();
    let keys = sample.store.keys();
    let (one, two) = (
        keys.create(&account(), "one").await.unwrap(),
        keys.create(&account(), "two").await.unwrap(),
    );
    sample.store.close().await.unwrap();
    let database = rusqlite::Connection::open(sample.dir.path().join("meta.db")).unwrap();
    let swap = "UPDATE access_key SET secret = (SELECT secret FROM access_key WHERE id = ?1) WHERE id = ?2";
    database.execute(swap, [&one.id, &two.id]).unwrap();
    drop(database);
    let refused = open(sample.dir.path(), sample.clock.clone()).err().unwrap();
    assert!(matches!(refused, Error::Damaged { .. }), "{refused}");
    assert!(!refused.to_string().contains(&one.secret));
}
