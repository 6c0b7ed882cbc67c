//! Where labels go, and which versions go.

use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn at(days: u32) -> Timestamp {
    Timestamp::from_millis(1_795_440_180_000) + DAY * days
}

fn secret() -> Secret {
    Secret {
        id: SecretId {
            account: "000000000000".parse().unwrap(),
            name: "shop/db".parse().unwrap(),
        },
        suffix: "AbC123".to_owned(),
        description: None,
        key_id: None,
        tags: BTreeMap::new(),
        policy: None,
        created: at(0),
        changed: at(0),
        accessed: None,
        deletion: None,
        versions: BTreeMap::new(),
    }
}

fn labels(secret: &Secret) -> Vec<(&str, Vec<&str>)> {
    let versions = secret.versions.iter();
    versions
        .map(|(id, version)| {
            (
                id.as_str(),
                version.labels.iter().map(String::as_str).collect(),
            )
        })
        .collect()
}

fn set(labels: &[&str]) -> Option<BTreeSet<String>> {
    Some(labels.iter().map(|label| (*label).to_owned()).collect())
}

#[test]
fn what_was_current_becomes_previous() {
    let mut secret = secret();
    secret.add_version("1", None, at(0)).unwrap();
    secret.add_version("2", None, at(1)).unwrap();
    assert_eq!(
        labels(&secret),
        [("1", vec![PREVIOUS]), ("2", vec![CURRENT])]
    );
    secret.add_version("3", None, at(2)).unwrap();
    assert_eq!(
        labels(&secret),
        [("1", vec![]), ("2", vec![PREVIOUS]), ("3", vec![CURRENT])]
    );
    secret
        .move_label(CURRENT, Some("3"), Some("1"), at(3))
        .unwrap();
    assert_eq!(
        labels(&secret),
        [("1", vec![CURRENT]), ("2", vec![]), ("3", vec![PREVIOUS])]
    );
    assert_eq!(secret.changed, at(3));
}

#[test]
fn the_first_version_is_current_whatever_its_labels_are() {
    let mut secret = secret();
    secret
        .add_version("1", set(&["AWSPENDING"]), at(0))
        .unwrap();
    assert_eq!(labels(&secret), [("1", vec![CURRENT, "AWSPENDING"])]);
    secret
        .add_version("2", set(&["AWSPENDING"]), at(0))
        .unwrap();
    assert_eq!(
        labels(&secret),
        [("1", vec![CURRENT]), ("2", vec!["AWSPENDING"])]
    );
}

#[test]
fn a_label_is_moved_from_where_it_is_said_to_be() {
    let mut secret = secret();
    secret.add_version("1", None, at(0)).unwrap();
    secret.add_version("2", set(&["mine"]), at(0)).unwrap();
    let attached = VersionError::Attached {
        label: CURRENT.to_owned(),
        version: "1".to_owned(),
    };
    assert_eq!(
        secret.move_label(CURRENT, None, Some("2"), at(1)),
        Err(attached)
    );
    let not_attached = VersionError::NotAttached {
        label: "mine".to_owned(),
        version: "1".to_owned(),
    };
    assert_eq!(
        secret.move_label("mine", Some("1"), Some("2"), at(1)),
        Err(not_attached)
    );
    assert_eq!(
        secret.move_label("mine", Some("2"), Some("9"), at(1)),
        Err(VersionError::Missing("9".to_owned()))
    );
    assert_eq!(
        secret.move_label(CURRENT, Some("1"), None, at(1)),
        Err(VersionError::OnlyMoved)
    );
    secret.move_label("mine", Some("2"), None, at(1)).unwrap();
    assert_eq!(labels(&secret), [("1", vec![CURRENT]), ("2", vec![])]);
    secret.move_label("new", None, Some("1"), at(1)).unwrap();
    assert_eq!(secret.labelled("new"), Some("1"));
}

#[test]
fn a_version_has_twenty_labels_at_most() {
    let mut secret = secret();
    let many: Vec<String> = (0..SECRET_LABELS_MAX).map(|n| format!("l{n:02}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(
        secret.clone().add_version("1", set(&many), at(0)),
        Err(VersionError::TooManyLabels),
        "the label of what is current counts"
    );
    secret.add_version("1", set(&many[1..]), at(0)).unwrap();
}

#[test]
fn deprecated_versions_go_when_there_are_too_many_and_they_are_a_day_old() {
    let mut secret = secret();
    for number in 0..SECRET_VERSIONS_MAX {
        let gone = secret.add_version(&format!("{number:03}"), None, at(0));
        assert_eq!(gone, Ok(vec![]));
    }
    assert_eq!(
        secret.clone().add_version("new", None, at(0)),
        Err(VersionError::TooManyVersions)
    );
    assert_eq!(
        secret.add_version("new", None, at(1)),
        Ok(vec!["000".to_owned()])
    );
    assert_eq!(secret.versions.len(), SECRET_VERSIONS_MAX);
}

#[test]
fn of_an_access_only_the_day_is_kept() {
    let mut secret = secret();
    secret.add_version("1", None, at(0)).unwrap();
    let noon = at(0);
    assert!(secret.is_access_news("1", noon) && secret.note_access("1", noon));
    assert!(!secret.is_access_news("1", noon) && !secret.note_access("1", noon));
    assert!(secret.note_access("1", noon + DAY));
    assert!(!secret.note_access("9", noon));
    assert_eq!(secret.accessed.unwrap().as_millis() % (24 * 3_600_000), 0);
}

#[test]
fn names_are_what_aws_takes() {
    for name in ["a", "Valid/_+=.@-Name", "!managed", &"x".repeat(512)] {
        assert!(name.parse::<SecretName>().is_ok(), "{name}");
    }
    for name in ["", "a b", "a:b", "ä", &"x".repeat(513)] {
        assert!(name.parse::<SecretName>().is_err(), "{name}");
    }
}

#[test]
fn an_arn_ends_with_six_characters_by_chance() {
    let arn = secret().arn(&"us-east-1".parse().unwrap());
    assert_eq!(
        arn,
        "arn:aws:secretsmanager:us-east-1:000000000000:secret:shop/db-AbC123"
    );
}
