//! Secrets: in memory as on disk, what they say sealed, gone when they are deleted.

use std::collections::BTreeMap;
use std::time::Duration;

use kiln_store::{NewVersion, SecretError, SecretValue, Secrets};
use kiln_types::secret::{CURRENT, Deletion, PREVIOUS};
use kiln_types::{AccountId, Secret, SecretId, Timestamp};
use zeroize::Zeroizing;

use crate::sample::Sample;

const NOW: Timestamp = Timestamp::from_millis(1_795_440_180_000);

fn id(name: &str) -> SecretId {
    SecretId {
        account: AccountId::default(),
        name: name.parse().unwrap(),
    }
}

fn secret(name: &str) -> Secret {
    Secret {
        id: id(name),
        suffix: "AbC123".to_owned(),
        description: None,
        key_id: None,
        tags: BTreeMap::new(),
        policy: None,
        created: NOW,
        changed: NOW,
        accessed: None,
        deletion: None,
        versions: BTreeMap::new(),
    }
}

fn text(says: &str) -> SecretValue {
    SecretValue::Text(Zeroizing::new(says.to_owned()))
}

fn version(id: &str, says: &str) -> Option<NewVersion> {
    Some(NewVersion {
        id: id.to_owned(),
        value: text(says),
        labels: None,
    })
}

async fn put(
    secrets: &Secrets,
    name: &str,
    version: Option<NewVersion>,
) -> Result<(), SecretError> {
    let id = id(name);
    let put = secrets.update(&id, version, NOW, |_| Ok::<_, SecretError>(()));
    put.await.map(|_| ())
}

#[tokio::test]
async fn what_a_secret_says_is_read_by_version_after_a_restart() {
    let sample = Sample::new();
    let secrets = sample.store.secrets();
    secrets
        .create(secret("db"), version("1", "hunter2"), 10)
        .await
        .unwrap();
    put(secrets, "db", version("2", "hunter3")).await.unwrap();
    let bytes = NewVersion {
        id: "3".to_owned(),
        value: SecretValue::Bytes(Zeroizing::new(vec![0, 255])),
        labels: Some(["mine".to_owned()].into()),
    };
    put(secrets, "db", Some(bytes)).await.unwrap();
    let before = secrets.get(&id("db")).unwrap();
    let sample = sample.reopened().await;
    let secrets = sample.store.secrets();
    let db = secrets.get(&id("db")).unwrap();
    assert_eq!(db, before);
    assert_eq!(
        [CURRENT, PREVIOUS, "mine"].map(|label| db.labelled(label)),
        [Some("2"), Some("1"), Some("3")]
    );
    let value = |version: &'static str| secrets.value(&db, version);
    assert_eq!(value("1").await.unwrap(), Some(text("hunter2")));
    assert_eq!(value("2").await.unwrap(), Some(text("hunter3")));
    let bytes = SecretValue::Bytes(Zeroizing::new(vec![0, 255]));
    assert_eq!(value("3").await.unwrap(), Some(bytes));
    assert_eq!(value("4").await.unwrap(), None);
}

#[tokio::test]
async fn what_a_secret_says_is_nowhere_on_disk_and_in_no_debug() {
    let sample = Sample::new();
    let says = "correct horse battery staple";
    let secrets = sample.store.secrets();
    secrets
        .create(secret("db"), version("1", says), 10)
        .await
        .unwrap();
    assert!(!format!("{:?}", version("1", says)).contains("horse"));
    sample.store.close().await.unwrap();
    let mut files = 0;
    for entry in std::fs::read_dir(sample.dir.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            files += 1;
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes
                .windows(says.len())
                .any(|part| part == says.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
    assert!(files > 3, "{files}");
}

#[tokio::test]
async fn a_request_that_is_repeated_changes_nothing_and_another_of_its_id_is_refused() {
    let sample = Sample::new();
    let secrets = sample.store.secrets();
    let made = secrets
        .create(secret("db"), version("1", "a"), 10)
        .await
        .unwrap();
    let again = Secret {
        suffix: "other1".to_owned(),
        ..secret("db")
    };
    let again = secrets.create(again, version("1", "a"), 10).await.unwrap();
    assert_eq!(made, again);
    put(secrets, "db", version("2", "b")).await.unwrap();
    put(secrets, "db", version("1", "a")).await.unwrap();
    let db = secrets.get(&id("db")).unwrap();
    assert_eq!(db.labelled(CURRENT), Some("2"), "it is still what it was");
    for refused in [
        put(secrets, "db", version("1", "other")).await,
        secrets
            .create(secret("db"), version("1", "other"), 10)
            .await
            .map(|_| ()),
    ] {
        assert!(
            matches!(refused, Err(SecretError::VersionExists { .. })),
            "{refused:?}"
        );
        assert!(!format!("{refused:?}").contains("other"), "{refused:?}");
    }
    let exists = secrets.create(secret("db"), version("9", "a"), 10).await;
    assert!(matches!(exists, Err(SecretError::Exists(_))), "{exists:?}");
    assert_eq!(secrets.value(&db, "1").await.unwrap(), Some(text("a")));
}

#[tokio::test]
async fn what_is_refused_is_not_kept() {
    let sample = Sample::new();
    let secrets = sample.store.secrets();
    secrets.create(secret("a"), None, 1).await.unwrap();
    let full = secrets.create(secret("b"), version("1", "x"), 1).await;
    assert!(matches!(full, Err(SecretError::TooMany(1))), "{full:?}");
    let a = id("a");
    let refused = secrets.update(&a, version("1", "x"), NOW, |secret| {
        secret.description = Some("no".to_owned());
        Err(SecretError::TooMany(0))
    });
    assert!(refused.await.is_err());
    let a = secrets.get(&id("a")).unwrap();
    assert_eq!((a.description.as_deref(), a.versions.len()), (None, 0));
    assert_eq!(secrets.value(&a, "1").await.unwrap(), None);
    let missing = put(secrets, "c", None).await;
    assert!(
        matches!(missing, Err(SecretError::NoSecret(_))),
        "{missing:?}"
    );
}

#[tokio::test]
async fn a_deleted_secret_can_be_had_back_until_its_time_is_over() {
    let sample = Sample::new();
    let secrets = sample.store.secrets();
    let due = NOW + Duration::from_secs(7 * 86_400);
    let deletion = Deletion { asked: NOW, due };
    for name in ["a", "b"] {
        secrets
            .create(secret(name), version("1", name), 10)
            .await
            .unwrap();
        secrets.delete_later(&id(name), deletion).await.unwrap();
    }
    for refused in [
        put(secrets, "a", version("2", "x")).await,
        secrets.delete_later(&id("a"), deletion).await.map(|_| ()),
        secrets
            .create(secret("a"), version("1", "a"), 10)
            .await
            .map(|_| ()),
    ] {
        assert!(
            matches!(refused, Err(SecretError::Deleting(_))),
            "{refused:?}"
        );
    }
    secrets.restore(&id("a")).await.unwrap();
    assert_eq!(secrets.expire(NOW).await.unwrap(), 0);
    assert_eq!(secrets.expire(due).await.unwrap(), 1);
    let gone = secrets.get(&id("b"));
    assert_eq!(gone, None);
    assert_eq!(secrets.value(&secret("b"), "1").await.unwrap(), None);
    let a = secrets.get(&id("a")).unwrap();
    assert_eq!(secrets.value(&a, "1").await.unwrap(), Some(text("a")));
    assert!(secrets.remove(&id("a")).await.unwrap().is_some());
    assert!(secrets.remove(&id("a")).await.unwrap().is_none());
    let sample = sample.reopened().await;
    assert!(
        sample
            .store
            .secrets()
            .list(&AccountId::default())
            .is_empty()
    );
}

#[tokio::test]
async fn a_secret_is_found_by_its_name_its_arn_and_its_arn_without_the_end() {
    let sample = Sample::new();
    let secrets = sample.store.secrets();
    for name in ["db", "db-AbC123", "db-other1"] {
        secrets.create(secret(name), None, 10).await.unwrap();
    }
    let (account, region) = (AccountId::default(), "us-east-1".parse().unwrap());
    let find = |text: &str| {
        let found = secrets.find(&account, &region, text);
        found.map(|secret| secret.id.name.to_string())
    };
    let arn = |name: &str| format!("arn:aws:secretsmanager:us-east-1:{account}:secret:{name}");
    for (text, expected) in [
        ("db", Some("db")),
        ("db-AbC123", Some("db-AbC123")),
        (&*arn("db"), Some("db")),
        (&*arn("db-AbC123"), Some("db")),
        (&*arn("db-AbC123-AbC123"), Some("db-AbC123")),
        (&*arn("db-other1"), Some("db-other1")),
        (&*arn("db-wrong1"), None),
        (&*arn("db").replace("us-east-1", "eu-west-1"), None),
        (&*arn("db").replace(account.as_str(), "123456789012"), None),
        (&*arn("db").replace("arn:aws:", "arn:aws-cn:"), Some("db")),
        (
            "arn:aws:x:secretsmanager:us-east-1:000000000000:secret:db",
            None,
        ),
    ] {
        assert_eq!(find(text).as_deref(), expected, "{text}");
    }
}

#[tokio::test]
async fn an_access_is_noted_once_a_day() {
    let sample = Sample::new();
    let secrets = sample.store.secrets();
    let made = secrets
        .create(secret("a"), version("1", "x"), 10)
        .await
        .unwrap();
    secrets.note_access(&made, "1", NOW).await.unwrap();
    let noted = secrets.get(&id("a")).unwrap();
    assert!(noted.accessed.is_some());
    secrets.note_access(&noted, "1", NOW).await.unwrap();
    assert!(
        std::sync::Arc::ptr_eq(&noted, &secrets.get(&id("a")).unwrap()),
        "nothing was written"
    );
}

#[tokio::test]
async fn what_secrets_say_can_be_read_after_their_data_key_was_replaced() {
    let sample = Sample::new();
    let secrets = sample.store.secrets();
    secrets
        .create(secret("shop/db"), version("1", "hunter2"), 10)
        .await
        .unwrap();
    let before = std::fs::read(sample.dir.path().join("meta.db")).unwrap();
    sample.store.rotate_data_keys().await.unwrap();
    let db = secrets.get(&id("shop/db")).unwrap();
    assert_eq!(
        secrets.value(&db, "1").await.unwrap(),
        Some(text("hunter2"))
    );
    let sample = sample.reopened().await;
    let secrets = sample.store.secrets();
    assert_eq!(
        secrets.value(&db, "1").await.unwrap(),
        Some(text("hunter2"))
    );
    assert_eq!(secrets.get(&id("shop/db")), Some(db));
    assert_ne!(
        before,
        std::fs::read(sample.dir.path().join("meta.db")).unwrap()
    );
}
