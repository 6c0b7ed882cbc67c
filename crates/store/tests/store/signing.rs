//! Who signs code, and which functions ask for whose: kept, changed, and found again.

use kiln_store::{Error, RemovedConfig};
use kiln_types::{CodeSigningConfig, SigningPolicy, SigningProfile, Timestamp};

use crate::sample::{Sample, account, function, id};

fn profile(name: &str) -> SigningProfile {
    let arn = format!("arn:aws:signer:us-east-1:000000000000:/signing-profiles/{name}/0a1b2c3d4e");
    SigningProfile {
        arn: arn.parse().unwrap(),
        key: "a key".to_owned(),
        added: Timestamp::from_millis(1),
        revoked: None,
    }
}

fn config(id: &str) -> CodeSigningConfig {
    CodeSigningConfig {
        account: account(),
        id: id.to_owned(),
        description: "ours".to_owned(),
        publishers: vec![profile("ci").arn.to_string()],
        policy: SigningPolicy::Enforce,
        modified: Timestamp::from_millis(1),
        tags: [("a".to_owned(), "b".to_owned())].into(),
    }
}

#[tokio::test]
async fn a_profile_is_added_once_revoked_for_good_and_found_again() {
    let sample = Sample::new();
    let signing = sample.store.signing();
    assert!(signing.add_profile(profile("ci")).await.unwrap().is_some());
    assert!(signing.add_profile(profile("ci")).await.unwrap().is_none());
    assert!(signing.add_profile(profile("ab")).await.unwrap().is_some());
    let arn = profile("ci").arn;
    for now in [5, 9] {
        let revoked = signing.revoke_profile(&arn, Timestamp::from_millis(now));
        let revoked = revoked.await.unwrap().unwrap();
        assert_eq!(revoked.revoked, Some(Timestamp::from_millis(5)));
    }
    let unknown = profile("no").arn;
    let unknown = signing.revoke_profile(&unknown, Timestamp::from_millis(5));
    assert_eq!(unknown.await.unwrap(), None);
    let sample = sample.reopened().await;
    let signing = sample.store.signing();
    let found = signing.profile(&arn).unwrap();
    assert_eq!(found.revoked, Some(Timestamp::from_millis(5)));
    let names: Vec<_> = signing
        .profiles(&account())
        .iter()
        .map(|one| one.arn.name.clone())
        .collect();
    assert_eq!(names, ["ab", "ci"]);
    assert!(
        signing
            .profiles(&"111122223333".parse().unwrap())
            .is_empty()
    );
}

#[tokio::test]
async fn a_configuration_is_changed_found_again_and_removed_when_nobody_has_it() {
    let sample = Sample::new();
    let signing = sample.store.signing();
    signing.add_config(config("csc-1")).await.unwrap();
    let owner = account();
    let changed = signing.update_config(&owner, "csc-1", |config| {
        config.policy = SigningPolicy::Warn;
        config.id = "other".to_owned();
        Ok::<(), Error>(())
    });
    assert_eq!(changed.await.unwrap().unwrap().id, "csc-1");
    let absent = signing.update_config(&owner, "csc-2", |_| Ok::<(), Error>(()));
    assert_eq!(absent.await.unwrap(), None);
    let mut function = function("sum");
    function.code_signing = Some("csc-1".to_owned());
    sample.store.create_function(function).await.unwrap();
    let sample = sample.reopened().await;
    let signing = sample.store.signing();
    let found = signing.config_of(&sample.store.function(&id("sum")).unwrap());
    assert_eq!(found.unwrap().unwrap().policy, SigningPolicy::Warn);
    let remove = || signing.remove_config(&owner, "csc-1");
    assert_eq!(remove().await.unwrap(), RemovedConfig::InUse);
    give(&sample, None).await.unwrap();
    for expected in [RemovedConfig::Gone, RemovedConfig::Absent] {
        assert_eq!(remove().await.unwrap(), expected);
    }
    assert!(signing.configs(&account()).is_empty());
    let sample = sample.reopened().await;
    assert!(sample.store.signing().configs(&account()).is_empty());
}

/// Gives the function `sum` a configuration, or none.
async fn give(sample: &Sample, config: Option<&str>) -> Result<(), Error> {
    let (sum, config) = (id("sum"), config.map(str::to_owned));
    let given = sample.store.update_function(&sum, move |function| {
        function.code_signing = config;
        Ok::<(), Error>(())
    });
    given.await.map(|_| ())
}

#[tokio::test]
async fn no_function_is_left_with_a_configuration_that_goes_while_it_gets_it() {
    let sample = Sample::new();
    let signing = sample.store.signing();
    let owner = account();
    sample.store.create_function(function("sum")).await.unwrap();
    for round in 0..20 {
        signing.add_config(config("csc-1")).await.unwrap();
        let remove = signing.remove_config(&owner, "csc-1");
        let (given, removed) = match round % 2 {
            0 => tokio::join!(give(&sample, Some("csc-1")), remove),
            _ => {
                let (removed, given) = tokio::join!(remove, give(&sample, Some("csc-1")));
                (given, removed)
            }
        };
        match removed.unwrap() {
            RemovedConfig::InUse => given.unwrap(),
            RemovedConfig::Gone => {
                let refused = given.unwrap_err();
                assert!(matches!(refused, Error::NoCodeSigningConfig(id) if id == "csc-1"));
            }
            RemovedConfig::Absent => panic!("it was added"),
        }
        give(&sample, None).await.unwrap();
        signing.remove_config(&owner, "csc-1").await.unwrap();
    }
    let mut function = function("other");
    function.code_signing = Some("csc-1".to_owned());
    let refused = sample.store.create_function(function).await.unwrap_err();
    assert!(matches!(refused, Error::NoCodeSigningConfig(_)));
    assert!(sample.store.function(&id("other")).is_none());
}

#[tokio::test]
async fn a_function_whose_configuration_is_gone_says_so_and_can_be_changed() {
    let sample = Sample::new();
    let signing = sample.store.signing();
    signing.add_config(config("csc-1")).await.unwrap();
    let mut function = function("sum");
    function.code_signing = Some("csc-1".to_owned());
    sample.store.create_function(function).await.unwrap();
    let database = rusqlite::Connection::open(sample.dir.path().join("meta.db")).unwrap();
    let delete = "DELETE FROM code_signing_config";
    database.execute(delete, []).unwrap();
    drop(database);
    let sample = sample.reopened().await;
    let signing = sample.store.signing();
    let missing = signing.config_of(&sample.store.function(&id("sum")).unwrap());
    let missing = missing.unwrap_err();
    assert!(matches!(&missing, Error::NoCodeSigningConfig(id) if id == "csc-1"));
    let sum = id("sum");
    let named = sample.store.update_function(&sum, |function| {
        function.tags.insert("a".to_owned(), "b".to_owned());
        Ok::<(), Error>(())
    });
    named.await.unwrap();
    give(&sample, None).await.unwrap();
    let found = signing.config_of(&sample.store.function(&id("sum")).unwrap());
    assert_eq!(found.unwrap(), None);
}
