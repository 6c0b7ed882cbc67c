//! Parameters: in memory as on disk, what they say sealed, a hundred versions of each.

use std::collections::BTreeMap;

use kiln_store::{ParameterError, Parameters};
use kiln_types::{
    AccountId, Parameter, ParameterId, ParameterKind, ParameterTier, ParameterVersion, Timestamp,
};
use zeroize::Zeroizing;

use crate::sample::Sample;

fn id(name: &str) -> ParameterId {
    ParameterId {
        account: AccountId::default(),
        name: name.parse().unwrap(),
    }
}

fn version(kind: ParameterKind) -> ParameterVersion {
    ParameterVersion {
        kind,
        tier: ParameterTier::Standard,
        description: None,
        allowed_pattern: None,
        key_id: None,
        data_type: "text".to_owned(),
        modified: Timestamp::from_millis(0),
        by: "arn:aws:iam::000000000000:user/u".to_owned(),
    }
}

async fn put(
    parameters: &Parameters,
    name: &str,
    kind: ParameterKind,
    says: &str,
) -> Result<u64, ParameterError> {
    let value = Zeroizing::new(says.to_owned());
    let id = id(name);
    let put = parameters.put(&id, value, BTreeMap::new(), 3, move |_| {
        Ok::<_, ParameterError>(version(kind))
    });
    put.await.map(|parameter| parameter.version)
}

async fn texts(parameters: &Parameters, wanted: &[(&str, u64)], opens: bool) -> Vec<String> {
    let wanted = wanted.iter().map(|(name, number)| (id(name), *number));
    let read = parameters.read(wanted.collect(), opens).await.unwrap();
    read.iter()
        .map(|version| version.value.to_string())
        .collect()
}

#[tokio::test]
async fn versions_are_read_after_a_restart_and_secret_ones_opened_if_told_so() {
    let sample = Sample::new();
    let parameters = sample.store.parameters();
    let (text, secret) = (ParameterKind::Text, ParameterKind::Secret);
    assert_eq!(put(parameters, "/a", text, "1").await.unwrap(), 1);
    assert_eq!(put(parameters, "/a", text, "2").await.unwrap(), 2);
    put(parameters, "/s", secret, "hunter2").await.unwrap();
    let sample = sample.reopened().await;
    let parameters = sample.store.parameters();
    let wanted = [("/s", 1), ("/a", 1), ("/none", 1), ("/a", 2), ("/a", 3)];
    assert_eq!(
        texts(parameters, &wanted, true).await,
        ["hunter2", "1", "2"]
    );
    let sealed = texts(parameters, &wanted, false).await;
    assert_eq!(sealed[1..], ["1", "2"]);
    assert!(
        !sealed[0].contains("hunter2") && sealed[0].len() > 20,
        "{sealed:?}"
    );
    let names: Vec<String> = parameters
        .list(&AccountId::default())
        .iter()
        .map(|parameter| parameter.id.name.to_string())
        .collect();
    assert_eq!(names, ["/a", "/s"]);
}

#[tokio::test]
async fn a_hundred_versions_are_kept_unless_the_oldest_has_a_label() {
    let sample = Sample::new();
    let parameters = sample.store.parameters();
    let text = ParameterKind::Text;
    for number in 1..=101 {
        assert_eq!(
            put(parameters, "a", text, &number.to_string())
                .await
                .unwrap(),
            number
        );
    }
    let a = parameters.get(&id("a")).unwrap();
    assert_eq!((a.oldest, a.version), (2, 101));
    let oldest = texts(parameters, &[("a", 1), ("a", 2), ("a", 101)], true).await;
    assert_eq!(oldest, ["2", "101"]);
    let label = |parameter: &mut Parameter| {
        parameter.label(2, ["keep".to_owned()].into()).unwrap();
        Ok::<_, ParameterError>(())
    };
    parameters.update(&id("a"), label).await.unwrap();
    let refused = put(parameters, "a", text, "102").await;
    assert!(
        matches!(
            refused,
            Err(ParameterError::TooManyVersions { oldest: 2, .. })
        ),
        "{refused:?}"
    );
    assert_eq!(texts(parameters, &[("a", 102)], true).await, [""; 0]);
}

#[tokio::test]
async fn what_is_refused_is_not_kept_and_what_is_deleted_is_gone() {
    let sample = Sample::new();
    let parameters = sample.store.parameters();
    for name in ["a", "b", "c"] {
        put(parameters, name, ParameterKind::Text, name)
            .await
            .unwrap();
    }
    let full = put(parameters, "d", ParameterKind::Text, "d").await;
    assert!(matches!(full, Err(ParameterError::TooMany(3))), "{full:?}");
    let a = id("a");
    let refused = parameters.put(&a, Zeroizing::default(), BTreeMap::new(), 3, |known| {
        assert_eq!(known.unwrap().version, 1);
        Err::<ParameterVersion, _>(ParameterError::TooMany(0))
    });
    assert!(refused.await.is_err());
    assert_eq!(parameters.get(&id("a")).unwrap().version, 1);
    assert!(parameters.remove(&id("a")).await.unwrap());
    assert!(!parameters.remove(&id("a")).await.unwrap());
    assert_eq!(texts(parameters, &[("a", 1)], true).await, [""; 0]);
    assert_eq!(
        put(parameters, "a", ParameterKind::Text, "anew")
            .await
            .unwrap(),
        1
    );
}

#[tokio::test]
async fn what_parameters_say_can_be_read_after_their_data_key_was_replaced() {
    let sample = Sample::new();
    let parameters = sample.store.parameters();
    put(parameters, "/a", ParameterKind::Secret, "hunter1")
        .await
        .unwrap();
    put(parameters, "/a", ParameterKind::Secret, "hunter2")
        .await
        .unwrap();
    let sealed = texts(parameters, &[("/a", 1)], false).await;
    sample.store.rotate_data_keys().await.unwrap();
    assert_ne!(texts(parameters, &[("/a", 1)], false).await, sealed);
    let sample = sample.reopened().await;
    let parameters = sample.store.parameters();
    let both = texts(parameters, &[("/a", 1), ("/a", 2)], true).await;
    assert_eq!(both, ["hunter1", "hunter2"]);
    assert_eq!(parameters.get(&id("/a")).unwrap().version, 2);
}
