//! A directory as a story: who may be named, attached and removed, and in which order.

use std::collections::BTreeSet;

use super::*;
use crate::clock::Timestamp;
use crate::iam::{Bounded, EntityPath, Grants, Holder, Tagged, Tags, document_size};

fn name(text: &str) -> EntityName {
    text.parse().unwrap()
}

fn empty() -> Directory {
    Directory::new(AccountId::default())
}

fn user(text: &str) -> User {
    User {
        id: EntityId::random(Kind::User),
        path: EntityPath::default(),
        name: name(text),
        created: Timestamp::default(),
        tags: Tags::new(),
        boundary: None,
        groups: BTreeSet::new(),
        grants: Grants::default(),
    }
}

fn group(text: &str) -> Group {
    Group {
        id: EntityId::random(Kind::Group),
        path: EntityPath::default(),
        name: name(text),
        created: Timestamp::default(),
        grants: Grants::default(),
    }
}

fn role(text: &str) -> Role {
    Role {
        id: EntityId::random(Kind::Role),
        path: EntityPath::default(),
        name: name(text),
        created: Timestamp::default(),
        trust: "{}".to_owned(),
        description: None,
        session_secs_max: 3_600,
        tags: Tags::new(),
        boundary: None,
        grants: Grants::default(),
    }
}

/// A policy of the account, taken in.
fn policy(directory: &mut Directory, text: &str) -> PolicyArn {
    let document = "{}".to_owned();
    let now = Timestamp::default();
    let policy = ManagedPolicy::new(EntityPath::default(), name(text), document, now);
    let account = directory.account().clone();
    directory.add_policy(policy).unwrap().arn(&account)
}

fn aws(text: &str) -> PolicyArn {
    format!("arn:aws:iam::aws:policy/{text}").parse().unwrap()
}

#[test]
fn names_are_given_once_whatever_their_case() {
    let mut directory = empty();
    directory.add_user(user("Ann")).unwrap();
    let refused = directory.add_user(user("aNN")).unwrap_err();
    assert_eq!(refused, Refusal::Exists(Kind::User, name("ann")));
    directory.add_role(role("ann")).unwrap();
    assert_eq!(directory.user(&name("ANN")).unwrap().name.as_str(), "Ann");
}

#[test]
fn a_renamed_user_stays_who_it_is() {
    let mut directory = empty();
    let id = directory.add_user(user("ann")).unwrap().id.clone();
    directory.add_user(user("bob")).unwrap();
    let taken = directory.move_user(&name("ann"), None, Some(name("BOB")));
    assert_eq!(taken, Err(Refusal::Exists(Kind::User, name("bob"))));
    let path: EntityPath = "/team/".parse().unwrap();
    directory
        .move_user(&name("ann"), Some(path.clone()), Some(name("Anna")))
        .unwrap();
    let found = directory.user_by_id(&id).unwrap();
    assert_eq!((found.name.as_str(), &found.path), ("Anna", &path));
    assert!(directory.user(&name("ann")).is_err());
    // To the same name in another case.
    directory
        .move_user(&name("anna"), None, Some(name("ANNA")))
        .unwrap();
    assert_eq!(directory.user_by_id(&id).unwrap().name.as_str(), "ANNA");
    directory.remove_user(&name("anna")).unwrap();
    assert!(directory.user_by_id(&id).is_none());
}

#[test]
fn what_has_policies_or_users_is_not_removed() {
    let mut directory = empty();
    directory.add_role(role("r")).unwrap();
    let holder = Holder::Role(name("r"));
    let own = policy(&mut directory, "p");
    directory.attach(&holder, own.clone()).unwrap();
    directory.attach(&holder, own.clone()).unwrap();
    directory
        .put_inline(&holder, name("i"), "{}".to_owned())
        .unwrap();
    assert_eq!(directory.remove_policy(&own), Err(Refusal::InUse));
    assert_eq!(directory.remove_role(&name("r")), Err(Refusal::HasAttached));
    directory.detach(&holder, &own).unwrap();
    assert_eq!(
        directory.detach(&holder, &own),
        Err(Refusal::NotAttached(own.clone()))
    );
    assert_eq!(directory.remove_role(&name("r")), Err(Refusal::HasInline));
    directory.remove_inline(&holder, &name("i")).unwrap();
    directory.remove_role(&name("r")).unwrap();
    directory.remove_policy(&own).unwrap();

    directory.add_user(user("ann")).unwrap();
    directory.add_group(group("g")).unwrap();
    directory.join(&name("ann"), &name("G")).unwrap();
    assert_eq!(directory.remove_group(&name("g")), Err(Refusal::HasMembers));
    assert_eq!(
        directory.remove_user(&name("ann")),
        Err(Refusal::HasMembers)
    );
    directory
        .move_group(&name("g"), None, Some(name("h")))
        .unwrap();
    assert_eq!(directory.members(&name("h")).count(), 1);
    directory.leave(&name("ann"), &name("h")).unwrap();
    assert!(directory.leave(&name("ann"), &name("h")).is_err());
    directory.remove_group(&name("h")).unwrap();
    directory.remove_user(&name("ann")).unwrap();
}

#[test]
fn ten_policies_are_attached_and_no_more_and_only_such_as_there_are() {
    let mut directory = empty();
    directory.add_user(user("ann")).unwrap();
    let holder = Holder::User(name("ann"));
    for number in 0..10 {
        directory
            .attach(&holder, aws(&format!("p{number}")))
            .unwrap();
    }
    let refused = directory.attach(&holder, aws("p10")).unwrap_err();
    assert_eq!(refused, Refusal::TooMany(Quota::Attached(Kind::User)));
    let foreign: PolicyArn = "arn:aws:iam::123456789012:policy/p".parse().unwrap();
    let refused = directory.attach(&holder, foreign.clone()).unwrap_err();
    assert_eq!(refused, Refusal::NotAttachable(foreign));
    let uses = directory.uses();
    assert_eq!(uses.len(), 10);
    assert_eq!(uses[&aws("p0")].attached, 1);
}

#[test]
fn numbers_of_versions_are_not_used_again() {
    let mut directory = empty();
    let arn = policy(&mut directory, "p");
    let now = Timestamp::from_millis(7);
    let add = |directory: &mut Directory, is_default| {
        directory.add_version(&arn, "{ }".to_owned(), is_default, now)
    };
    for number in 2..=5 {
        assert_eq!(add(&mut directory, number == 3), Ok(number));
    }
    let full = Err(Refusal::TooMany(Quota::Versions));
    assert_eq!(add(&mut directory, false), full);
    assert_eq!(
        directory.remove_version(&arn, 3, now),
        Err(Refusal::InForce)
    );
    directory.remove_version(&arn, 5, now).unwrap();
    assert_eq!(add(&mut directory, false), Ok(6));
    assert_eq!(directory.remove_policy(&arn), Err(Refusal::HasVersions));
    assert_eq!(
        directory.set_default_version(&arn, 5, now),
        Err(Refusal::NoVersion(arn.clone(), 5))
    );
    directory.set_default_version(&arn, 1, now).unwrap();
    assert_eq!(directory.policy(&arn).unwrap().in_force().document, "{}");
    assert_eq!(directory.policy(&arn).unwrap().updated, now);
}

#[test]
fn white_space_of_documents_is_free() {
    let text = "{ \"Version\" :\n\t\"2012-10-17\" }";
    assert_eq!(document_size(text), 24);
    assert_eq!(
        document_size(text),
        text.split_whitespace().map(str::len).sum::<usize>()
    );
    let mut directory = empty();
    directory.add_user(user("ann")).unwrap();
    let holder = Holder::User(name("ann"));
    let of = |size: usize| "x ".repeat(size);
    let mut put = |text: &str, size| directory.put_inline(&holder, name(text), of(size));
    assert_eq!(put("a", 2_048), Ok(()));
    assert_eq!(put("A", 1_024), Ok(()));
    assert_eq!(put("b", 1_024), Ok(()));
    let refused = Refusal::InlineTooLarge(Kind::User, name("ann"));
    assert_eq!(put("c", 1), Err(refused));
    let arn = policy(&mut directory, "p");
    let mut add = |size| directory.add_version(&arn, of(size), false, Timestamp::default());
    assert_eq!(add(6_144), Ok(2));
    assert_eq!(add(6_145), Err(Refusal::DocumentTooLarge));
}

#[test]
fn tags_are_fifty_at_most_and_their_keys_know_no_case() {
    let mut directory = empty();
    directory.add_role(role("r")).unwrap();
    let of = Tagged::Role(name("r"));
    let tags = |range: std::ops::Range<u32>| -> Tags {
        range.map(|n| (format!("k{n}"), String::new())).collect()
    };
    directory.tag(&of, tags(0..50)).unwrap();
    let refused = directory.tag(&of, tags(50..51)).unwrap_err();
    assert_eq!(refused, Refusal::TooMany(Quota::Tags));
    let renamed = Tags::from([("K7".to_owned(), "v".to_owned())]);
    directory.tag(&of, renamed).unwrap();
    assert!(!directory.tags(&of).unwrap().contains_key("k7"));
    directory
        .untag(&of, &["k7".to_owned(), "none".to_owned()])
        .unwrap();
    assert_eq!(directory.tags(&of).unwrap().len(), 49);
}

#[test]
fn what_bounds_somebody_is_in_use() {
    let mut directory = empty();
    directory.add_user(user("ann")).unwrap();
    let arn = policy(&mut directory, "p");
    let of = Bounded::User(name("ann"));
    directory.set_boundary(&of, Some(arn.clone())).unwrap();
    assert_eq!(directory.remove_policy(&arn), Err(Refusal::InUse));
    directory.set_boundary(&of, None).unwrap();
    directory.remove_policy(&arn).unwrap();
    assert!(directory.set_boundary(&of, Some(arn)).is_err());
}

#[test]
fn a_change_copies_what_it_alters_and_nothing_else() {
    let mut before = empty();
    before.add_user(user("ann")).unwrap();
    before.add_user(user("bob")).unwrap();
    let mut after = before.clone();
    after
        .tag(
            &Tagged::User(name("ann")),
            Tags::from([("a".into(), "b".into())]),
        )
        .unwrap();
    let same: Vec<bool> = before
        .entities()
        .zip(after.entities())
        .map(|(one, other)| one.is_same(&other))
        .collect();
    assert_eq!(same, [false, true]);
}
