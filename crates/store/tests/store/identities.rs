//! Identities: in memory as on disk, one change at a time.

use kiln_store::{Error, KeyError};
use kiln_types::Timestamp;
use kiln_types::iam::{
    EntityId, EntityName, EntityPath, Grants, Group, Holder, Kind, ManagedPolicy, PolicyArn,
    Refusal, Role, Tagged, Tags, User,
};

use crate::sample::{Sample, account};

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Store(#[from] Error),
}

fn name(text: &str) -> EntityName {
    text.parse().unwrap()
}

fn user(text: &str) -> User {
    User {
        id: EntityId::random(Kind::User),
        path: EntityPath::default(),
        name: name(text),
        created: Timestamp::from_millis(1),
        tags: Tags::new(),
        boundary: None,
        groups: Default::default(),
        grants: Grants::default(),
    }
}

fn role(text: &str) -> Role {
    Role {
        id: EntityId::random(Kind::Role),
        path: EntityPath::default(),
        name: name(text),
        created: Timestamp::from_millis(1),
        trust: "{}".to_owned(),
        description: None,
        session_secs_max: 3_600,
        tags: Tags::new(),
        boundary: None,
        grants: Grants::default(),
    }
}

async fn add_user(sample: &Sample, text: &str) -> Result<EntityId, Trouble> {
    let user = user(text);
    let add = |to: &mut kiln_types::iam::Directory| Ok::<_, Trouble>(to.add_user(user)?);
    let added = sample.store.identities().change(&account(), add).await?;
    Ok(added.id.clone())
}

#[tokio::test]
async fn identities_survive_a_restart_as_they_are() {
    let sample = Sample::new();
    add_user(&sample, "Ann").await.unwrap();
    let rest = |to: &mut kiln_types::iam::Directory| {
        let now = Timestamp::from_millis(2);
        let policy = ManagedPolicy::new("/a/".parse().unwrap(), name("p"), "{}".into(), now);
        let arn: PolicyArn = to.add_policy(policy)?.arn(&account());
        to.add_role(role("r"))?;
        to.attach(&Holder::Role(name("r")), arn.clone())?;
        to.put_inline(&Holder::User(name("ann")), name("own"), "{ }".into())?;
        to.add_version(&arn, "[]".into(), true, now)?;
        to.add_group(Group {
            id: EntityId::random(Kind::Group),
            path: EntityPath::default(),
            name: name("g"),
            created: now,
            grants: Grants::default(),
        })?;
        to.join(&name("ann"), &name("g"))?;
        let tags = Tags::from([("team".to_owned(), "shop".to_owned())]);
        to.tag(&Tagged::Policy(arn), tags)?;
        Ok::<_, Trouble>(())
    };
    let identities = sample.store.identities();
    identities.change(&account(), rest).await.unwrap();
    let before = identities.of(&account());
    assert_eq!(before.members(&name("g")).count(), 1);
    let sample = sample.reopened().await;
    assert_eq!(sample.store.identities().of(&account()), before);
    let other = "123456789012".parse().unwrap();
    let of_other = sample.store.identities().of(&other);
    assert_eq!(of_other.entities().count(), 0);
    // Renamed and removed ones leave nothing behind.
    let change = |to: &mut kiln_types::iam::Directory| {
        to.leave(&name("ann"), &name("g"))?;
        to.remove_group(&name("g"))?;
        to.move_user(&name("ann"), None, Some(name("Bob")))?;
        Ok::<_, Trouble>(())
    };
    let identities = sample.store.identities();
    identities.change(&account(), change).await.unwrap();
    let before = identities.of(&account());
    let sample = sample.reopened().await;
    assert_eq!(sample.store.identities().of(&account()), before);
    assert_eq!(before.users().len() + before.groups().len(), 1);
}

#[tokio::test]
async fn a_change_that_is_refused_leaves_nothing() {
    let sample = Sample::new();
    add_user(&sample, "ann").await.unwrap();
    let half = |to: &mut kiln_types::iam::Directory| {
        to.add_role(role("r"))?;
        to.remove_role(&name("other"))?;
        Ok::<_, Trouble>(())
    };
    let identities = sample.store.identities();
    let refused = identities.change(&account(), half).await.unwrap_err();
    assert!(matches!(refused, Trouble::Refused(Refusal::Missing(..))));
    assert_eq!(identities.of(&account()).roles().len(), 0);
    let sample = sample.reopened().await;
    let shown = sample.store.identities().of(&account());
    assert_eq!((shown.roles().len(), shown.users().len()), (0, 1));
}

#[tokio::test]
async fn many_at_once_all_see_one_another() {
    let sample = Sample::new();
    let mut adding = tokio::task::JoinSet::new();
    for number in 0..40 {
        let identities = sample.store.identities().clone();
        adding.spawn(async move {
            let user = user(&format!("u{}", number % 20));
            let add = |to: &mut kiln_types::iam::Directory| Ok::<_, Trouble>(to.add_user(user)?);
            identities.change(&account(), add).await.is_ok()
        });
    }
    let added = adding.join_all().await;
    assert_eq!(added.iter().filter(|added| **added).count(), 20);
    assert_eq!(sample.store.identities().of(&account()).users().len(), 20);
}

#[tokio::test]
async fn a_user_has_two_keys_at_most_and_stays_while_it_has_one() {
    let sample = Sample::new();
    let (keys, account) = (sample.store.keys(), account());
    let id = add_user(&sample, "ann").await.unwrap();
    let administrator = keys.administrator(&account).await.unwrap();
    let make = || keys.create_of(&account, Some(&id), "ann");
    let (one, two) = (make().await.unwrap(), make().await.unwrap());
    assert!(matches!(make().await.unwrap_err(), KeyError::TooMany));
    assert_eq!(keys.list_of(&account, Some(&id)).len(), 2);
    assert_eq!(keys.list_of(&account, None), [administrator]);
    let identities = sample.store.identities().clone();
    let remove = || identities.remove_user::<Trouble>(&account, name("ann"));
    let refused = remove().await.unwrap_err();
    assert!(matches!(refused, Trouble::Refused(Refusal::HasKeys)));
    for key in [one, two] {
        keys.delete(&key.id).await.unwrap();
    }
    remove().await.unwrap();
    assert!(matches!(make().await.unwrap_err(), KeyError::NoUser(_)));
}

#[tokio::test]
async fn a_key_of_a_user_that_is_called_administrator_is_not_the_administrators() {
    let sample = Sample::new();
    let id = add_user(&sample, "administrator").await.unwrap();
    let keys = sample.store.keys();
    let of_user = keys.create_of(&account(), Some(&id), "administrator").await;
    let administrator = keys.administrator(&account()).await.unwrap();
    assert_ne!(administrator.id, of_user.unwrap().id);
    assert_eq!(administrator.user, None);
}

#[tokio::test]
async fn a_use_is_noted_once_a_minute_and_survives_a_restart() {
    let sample = Sample::new();
    let keys = sample.store.keys().clone();
    let key = keys.create(&account(), "ci").await.unwrap();
    assert_eq!(keys.last_use(&key.id), None);
    let at = |ms| Timestamp::from_millis(ms);
    keys.used(&key.id, "lambda", "us-east-1", at(1_000_000));
    keys.used(&key.id, "sqs", "us-east-1", at(1_059_999));
    let noted = keys.last_use(&key.id).unwrap();
    assert_eq!(
        (noted.at, noted.service.as_str()),
        (at(1_000_000), "lambda")
    );
    keys.used(&key.id, "sqs", "us-east-1", at(1_060_000));
    keys.used("AKIANOBODY", "sqs", "us-east-1", at(1_060_000));
    assert_eq!(keys.last_use("AKIANOBODY"), None);
    let sample = sample.reopened().await;
    let noted = sample.store.keys().last_use(&key.id).unwrap();
    assert_eq!((noted.at, noted.service.as_str()), (at(1_060_000), "sqs"));
}
