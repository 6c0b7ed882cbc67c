//! Layers: numbered once, found, changed, deleted, and their content kept for as long as it is used.

use kiln_store::Error;
use kiln_types::function::Code;
use kiln_types::policy::ResourcePolicy;
use kiln_types::{AttachedLayer, LayerName, LayerVersion, Region, Sha256, Timestamp};

use crate::sample::{Sample, account, function, id};

fn name(text: &str) -> LayerName {
    text.parse().unwrap()
}

fn code(digest: u8) -> Code {
    Code {
        sha256: Sha256::from_bytes([digest; 32]),
        zipped_bytes: 10,
        unzipped_bytes: 20,
        signer: None,
    }
}

fn layer(text: &str, version: u64, digest: u8) -> LayerVersion {
    LayerVersion {
        account: account(),
        name: name(text),
        version,
        description: "grüße".to_owned(),
        license: Some("MIT".to_owned()),
        created: Timestamp::from_millis(1_000),
        runtimes: vec!["python3.11".to_owned()],
        architectures: vec![],
        code: code(digest),
        policy: ResourcePolicy::default(),
    }
}

async fn publish(sample: &Sample, text: &'static str, digest: u8) -> u64 {
    let make = move |version| layer(text, version, digest);
    let (owner, name) = (account(), name(text));
    let published = sample.store.layers().publish(&owner, &name, make);
    published.await.unwrap().version
}

fn numbers(sample: &Sample, text: &str) -> Vec<u64> {
    let versions = sample.store.layers().versions(&account(), &name(text));
    versions.iter().map(|layer| layer.version).collect()
}

#[tokio::test]
async fn versions_are_counted_from_one_for_each_layer() {
    let sample = Sample::new();
    assert_eq!(publish(&sample, "a", 1).await, 1);
    assert_eq!(publish(&sample, "a", 1).await, 2);
    assert_eq!(publish(&sample, "b", 1).await, 1);
    let all = sample.store.layers().list(&account());
    let all: Vec<_> = all
        .iter()
        .map(|layer| (layer.name.as_str(), layer.version))
        .collect();
    assert_eq!(all, [("a", 1), ("a", 2), ("b", 1)]);
    let other = "123456789012".parse().unwrap();
    assert!(sample.store.layers().list(&other).is_empty());
}

#[tokio::test]
async fn a_number_is_never_given_again_also_after_a_restart() {
    let sample = Sample::new();
    for _ in 0..2 {
        publish(&sample, "a", 1).await;
    }
    let (owner, a) = (account(), name("a"));
    for version in [2, 2, 1, 7] {
        let deleted = sample.store.layers().delete(&owner, &a, version);
        deleted.await.unwrap();
    }
    assert_eq!(numbers(&sample, "a"), [] as [u64; 0]);
    let sample = sample.reopened().await;
    assert_eq!(publish(&sample, "a", 1).await, 3);
    assert_eq!(numbers(&sample, "a"), [3]);
}

#[tokio::test]
async fn a_version_reads_back_as_published_also_after_a_restart() {
    let sample = Sample::new();
    publish(&sample, "a", 1).await;
    let before = sample
        .store
        .layers()
        .get(&account(), &name("a"), 1)
        .unwrap();
    let sample = sample.reopened().await;
    let after = sample
        .store
        .layers()
        .get(&account(), &name("a"), 1)
        .unwrap();
    assert_eq!(before, after);
    let arn = after.arn(&Region::default());
    assert_eq!(
        arn.to_string(),
        "arn:aws:lambda:us-east-1:000000000000:layer:a:1"
    );
}

#[tokio::test]
async fn a_change_is_kept_and_a_refused_one_is_not() {
    let sample = Sample::new();
    publish(&sample, "a", 1).await;
    let (owner, a) = (account(), name("a"));
    let layers = sample.store.layers();
    let refused = layers.update(&owner, &a, 1, |layer| {
        layer.description.clear();
        Err(Error::Closed)
    });
    assert!(matches!(refused.await, Err(Error::Closed)));
    let changed = layers.update(&owner, &a, 1, |layer| {
        layer.license = None;
        layer.version = 9;
        Ok::<_, Error>(())
    });
    let changed = changed.await.unwrap();
    assert_eq!((changed.version, changed.license.as_deref()), (1, None));
    assert_eq!(changed.description, "grüße");
    let absent = layers.update(&owner, &a, 2, |_| Ok::<_, Error>(()));
    assert!(matches!(
        absent.await,
        Err(Error::NoLayer { version: 2, .. })
    ));
}

#[tokio::test]
async fn content_is_in_use_for_as_long_as_a_version_or_a_function_has_it() {
    let sample = Sample::new();
    publish(&sample, "a", 1).await;
    let store = &sample.store;
    let is_used = |digest| store.artifacts_in_use().contains(&code(digest).sha256);
    assert!(is_used(1));
    let attached = AttachedLayer {
        arn: layer("a", 1, 1).arn(&Region::default()),
        code: code(1),
    };
    let mut user = function("sum");
    std::sync::Arc::make_mut(&mut user.latest).layers = vec![attached];
    let own_code = user.latest.code.sha256.clone();
    store.create_function(user).await.unwrap();
    let layers = store.layers();
    layers.delete(&account(), &name("a"), 1).await.unwrap();
    assert!(is_used(1), "the function still has it");
    store.delete_function(&id("sum")).await.unwrap();
    assert!(!is_used(1));
    assert!(!store.artifacts_in_use().contains(&own_code));
}
