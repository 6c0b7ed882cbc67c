//! Access keys.

use std::time::Duration;

use crate::sample::{Sample, account};

#[tokio::test]
async fn keys_look_like_aws_keys_and_survive_a_restart() {
    let sample = Sample::new();
    let key = sample.store.keys().create(&account(), "ci").await.unwrap();
    assert_eq!((key.id.len(), key.secret.len()), (20, 40));
    assert!(key.id.starts_with("AKIA"));
    assert!(
        key.id
            .bytes()
            .all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b))
    );
    let other = sample.store.keys().create(&account(), "ci").await.unwrap();
    assert!(other.id != key.id && other.secret != key.secret);
    let sample = sample.reopened().await;
    assert_eq!(sample.store.keys().get(&key.id), Some(key));
    assert_eq!(sample.store.keys().get("AKIANOBODY"), None);
}

#[tokio::test]
async fn keys_are_listed_per_account_the_oldest_first() {
    let sample = Sample::new();
    let mut ids = Vec::new();
    for name in ["one", "two", "three"] {
        ids.push(
            sample
                .store
                .keys()
                .create(&account(), name)
                .await
                .unwrap()
                .id
                .clone(),
        );
        sample.clock.advance(Duration::from_secs(1));
    }
    let other = "123456789012".parse().unwrap();
    sample.store.keys().create(&other, "foreign").await.unwrap();
    let listed: Vec<_> = sample
        .store
        .keys()
        .list(&account())
        .iter()
        .map(|key| key.id.clone())
        .collect();
    assert_eq!(listed, ids);
}

#[tokio::test]
async fn a_key_can_be_switched_off_and_deleted() {
    let sample = Sample::new();
    let id = sample
        .store
        .keys()
        .create(&account(), "ci")
        .await
        .unwrap()
        .id
        .clone();
    let off = sample
        .store
        .keys()
        .set_active(&id, false)
        .await
        .unwrap()
        .unwrap();
    assert!(!off.active);
    assert!(!sample.store.keys().get(&id).unwrap().active);
    let sample = sample.reopened().await;
    assert!(!sample.store.keys().get(&id).unwrap().active);
    assert!(sample.store.keys().delete(&id).await.unwrap());
    assert!(!sample.store.keys().delete(&id).await.unwrap());
    assert!(
        sample
            .store
            .keys()
            .set_active(&id, true)
            .await
            .unwrap()
            .is_none()
    );
    let sample = sample.reopened().await;
    assert!(sample.store.keys().get(&id).is_none());
}

#[tokio::test]
async fn there_is_one_administrator_until_it_is_switched_off() {
    let sample = Sample::new();
    let first = sample.store.keys().administrator(&account()).await.unwrap();
    let sample = sample.reopened().await;
    assert_eq!(
        sample.store.keys().administrator(&account()).await.unwrap(),
        first
    );
    sample
        .store
        .keys()
        .set_active(&first.id, false)
        .await
        .unwrap();
    let second = sample.store.keys().administrator(&account()).await.unwrap();
    assert!(second.active && second.id != first.id);
}

#[tokio::test]
async fn secrets_are_not_printed() {
    let sample = Sample::new();
    let key = sample.store.keys().create(&account(), "ci").await.unwrap();
    assert!(!format!("{key:?}").contains(&key.secret));
}
