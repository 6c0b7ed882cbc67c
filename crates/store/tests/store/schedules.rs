//! Schedules: what is kept of them, and that a tick's delivery and the schedule's next time are one change.

use std::sync::Arc;

use kiln_store::messages::{Count, Refusal};
use kiln_store::queue::Delivery;
use kiln_store::schedules::{
    Due, Ended, Fired, Firing, ListSchedules, NewSchedule, Replacement, Schedule, ScheduleError,
    ScheduleGroup, ScheduleTotals, Then, Token,
};
use kiln_store::{Config, Error, Store};
use kiln_types::{
    ManualClock, QueueArn, Receiver, Region, ScheduleId, ScheduleSettings, ScheduleSpace,
    ScheduleTarget,
};

use crate::messages::{make, message, queue_id};
use crate::queue::{assert_conserved, at, claim_all, event};
use crate::sample::{Sample, account};

pub fn id(group: &str, name: &str) -> ScheduleId {
    ScheduleId {
        account: account(),
        space: ScheduleSpace::Scheduler,
        group: group.to_owned(),
        name: name.to_owned(),
    }
}

pub fn new(id: ScheduleId, due_ms: i64) -> NewSchedule {
    let queue = QueueArn::new(Region::default(), queue_id("ticks"));
    NewSchedule {
        id,
        settings: ScheduleSettings {
            expression: "rate(1 minute)".to_owned(),
            zone: "UTC".to_owned(),
            start: None,
            end: None,
            window_minutes: None,
            is_enabled: true,
            is_deleted_when_done: false,
            description: None,
            key_arn: None,
            target: ScheduleTarget {
                receiver: Receiver::Queue(queue, None),
                role: "r".to_owned(),
                input: Some("{}".to_owned()),
                retries_max: 0,
                age_max_secs: 60,
                dead_letters: None,
            },
        },
        anchor: at(0),
        seed: u64::MAX,
        due: Some(Due::new(at(due_ms), at(due_ms))),
    }
}

async fn create(store: &Store, name: &str, due_ms: i64) {
    let new = new(id("default", name), due_ms);
    store.schedules().create(new, None, at(0)).await.unwrap();
}

pub fn firing(schedule: Schedule, delivery: Delivery, then: Then) -> Firing {
    Firing {
        schedule,
        deliveries: vec![delivery],
        ended: Some(Ended::Fired),
        then,
    }
}

async fn due(store: &Store, ms: i64) -> Vec<Schedule> {
    store.schedules().due(at(ms), 100).await.unwrap()
}

async fn fire(store: &Store, firing: Firing) -> Fired {
    let mut fired = store.schedules().fire(vec![firing], at(0)).await.unwrap();
    fired.remove(0)
}

fn visible(store: &Store, queue: &str) -> u64 {
    let count = store.messages().count(&queue_id(queue), at(0));
    let Count { visible, .. } = count.unwrap();
    visible
}

fn list() -> ListSchedules {
    ListSchedules {
        account: account(),
        group: None,
        prefix: None,
        is_enabled: None,
        after: None,
        count_max: 100,
    }
}

#[tokio::test]
async fn a_tick_and_what_it_delivers_are_one_change() {
    let sample = Sample::new();
    let store = &sample.store;
    make(store, "ticks").await;
    for (name, due_ms) in [("b", 2), ("a", 1), ("later", 9)] {
        create(store, name, due_ms).await;
    }
    let found = due(store, 2).await;
    let names: Vec<_> = found.iter().map(|one| one.id.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let next = Then::Due(Due::new(at(100), at(110)));
    let firings = vec![
        firing(
            found[0].clone(),
            Delivery::Message(message("ticks", "1")),
            next,
        ),
        firing(
            found[1].clone(),
            Delivery::Event(event("sum", "2")),
            Then::Delete,
        ),
    ];
    let fired = store
        .schedules()
        .fire(firings.clone(), at(2))
        .await
        .unwrap();
    assert_eq!(fired, [Fired::Done, Fired::Done]);
    assert_eq!(visible(store, "ticks"), 1);
    // Whoever read them before the change does nothing now.
    let again = store.schedules().fire(firings, at(2)).await.unwrap();
    assert_eq!(again, [Fired::Stale, Fired::Stale]);
    assert!(due(store, 8).await.is_empty());
    let sample = sample.reopened().await;
    let store = &sample.store;
    assert_eq!(visible(store, "ticks"), 1);
    assert_eq!(claim_all(store, at(20)).await.len(), 1);
    assert_conserved(store.queue().totals());
    let totals = ScheduleTotals {
        fired: 2,
        dead: 0,
        lost: 0,
    };
    assert_eq!(store.schedules().totals(), totals);
    let moved = store.schedules().get(&id("default", "a")).await.unwrap();
    assert_eq!(moved.unwrap().due, Some(Due::new(at(100), at(110))));
    assert_eq!(
        store.schedules().get(&id("default", "b")).await.unwrap(),
        None
    );
    assert_eq!(store.schedules().next_wake().await.unwrap(), Some(at(9)));
}

#[tokio::test]
async fn a_tick_that_is_refused_changes_nothing_and_takes_no_other_with_it() {
    let sample = Sample::new();
    let store = &sample.store;
    make(store, "ticks").await;
    create(store, "a", 1).await;
    create(store, "b", 2).await;
    let found = due(store, 2).await;
    let nowhere = Delivery::Message(message("nowhere", "1"));
    let firings = vec![
        firing(found[0].clone(), nowhere, Then::Delete),
        firing(
            found[1].clone(),
            Delivery::Message(message("ticks", "1")),
            Then::Done,
        ),
    ];
    let fired = store.schedules().fire(firings, at(2)).await.unwrap();
    let refused = Fired::Refused(Refusal::NoQueue(queue_id("nowhere")));
    assert_eq!(fired, [refused, Fired::Done]);
    assert_eq!(due(store, 2).await, [found[0].clone()]);
    assert_eq!(store.schedules().totals().fired, 1);
}

#[tokio::test]
async fn a_tick_for_which_there_is_no_room_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        queue_bytes_max: 2_000,
        ..Config::new(dir.path())
    };
    let store = Store::open(config, Arc::new(ManualClock::default())).unwrap();
    create(&store, "a", 1).await;
    let schedule = due(&store, 1).await.remove(0);
    let large = Delivery::Event(event("sum", vec![b'1'; 3_000]));
    let fired = fire(&store, firing(schedule.clone(), large, Then::Done)).await;
    assert!(matches!(fired, Fired::Full(_)), "{fired:?}");
    assert_eq!(due(&store, 1).await, std::slice::from_ref(&schedule));
    let small = Delivery::Event(event("sum", "1"));
    let fired = fire(&store, firing(schedule, small, Then::Done)).await;
    assert_eq!(fired, Fired::Done);
    assert!(due(&store, 1_000).await.is_empty());
}

#[tokio::test]
async fn a_change_makes_ticks_stale_that_were_read_before() {
    let sample = Sample::new();
    let store = &sample.store;
    make(store, "ticks").await;
    create(store, "a", 1).await;
    let read = due(store, 1).await.remove(0);
    let change = |before: &Schedule| {
        Ok::<_, ScheduleError>(Replacement {
            settings: (*before.settings).clone(),
            anchor: before.anchor,
            due: None,
        })
    };
    let schedules = store.schedules();
    schedules
        .replace(id("default", "a"), at(1), change)
        .await
        .unwrap();
    let tick = firing(read, Delivery::Message(message("ticks", "1")), Then::Done);
    assert_eq!(fire(store, tick).await, Fired::Stale);
    assert_eq!(visible(store, "ticks"), 0);
    let absent = schedules.replace(id("default", "b"), at(1), change).await;
    assert!(matches!(absent, Err(ScheduleError::NotFound(_))));
}

#[tokio::test]
async fn names_are_taken_once_and_a_token_asks_again() {
    let sample = Sample::new();
    let schedules = sample.store.schedules();
    let token = |asked: &str| {
        Some(Token {
            token: "t".to_owned(),
            asked: asked.to_owned(),
        })
    };
    let make = |token, ms| schedules.create(new(id("default", "a"), 1), token, at(ms));
    make(token("create"), 0).await.unwrap();
    make(token("create"), 0).await.unwrap();
    for refused in [make(None, 0).await, make(token("other"), 0).await] {
        assert!(
            matches!(refused, Err(ScheduleError::Exists(_))),
            "{refused:?}"
        );
    }
    let hour_ms = 60 * 60 * 1_000;
    assert!(
        make(token("create"), hour_ms).await.is_err(),
        "tokens are forgotten"
    );
    let delete = |ms| schedules.delete(id("default", "a"), token("delete"), at(ms));
    delete(0).await.unwrap();
    delete(0).await.unwrap();
    assert!(matches!(
        delete(hour_ms).await,
        Err(ScheduleError::NotFound(_))
    ));
}

#[tokio::test]
async fn a_group_goes_with_all_its_schedules_also_when_a_crash_interrupts_it() {
    let sample = Sample::new();
    let schedules = sample.store.schedules();
    let group = ScheduleGroup {
        name: "team".to_owned(),
        is_deleting: false,
        created: at(0),
        modified: at(0),
        tags: Default::default(),
    };
    let refused = schedules.create(new(id("team", "a"), 1), None, at(0)).await;
    assert!(matches!(refused, Err(ScheduleError::NoGroup(_))));
    schedules
        .create_group(account(), group.clone(), None)
        .await
        .unwrap();
    let again = schedules.create_group(account(), group.clone(), None).await;
    assert!(matches!(again, Err(ScheduleError::GroupExists(_))));
    for number in 0..1_500 {
        let new = new(id("team", &format!("s{number}")), 1);
        schedules.create(new, None, at(0)).await.unwrap();
    }
    create(&sample.store, "stays", 1).await;
    // A deletion that was begun, and then the server ended.
    let half = ScheduleGroup {
        is_deleting: true,
        ..group.clone()
    };
    let deleting = schedules.delete_group(account(), "team".to_owned(), None, at(0));
    deleting.await.unwrap();
    assert_eq!(
        schedules.group(&account(), "team", at(0)).await.unwrap(),
        None
    );
    let left = schedules.list(list()).await.unwrap();
    assert_eq!(left.len(), 1);
    schedules.create_group(account(), half, None).await.unwrap();
    let refused = schedules.create(new(id("team", "a"), 1), None, at(0)).await;
    assert!(matches!(refused, Err(ScheduleError::GroupDeleting(_))));
    let sample = sample.reopened().await;
    let schedules = sample.store.schedules();
    schedules.finish_deletions().await.unwrap();
    assert_eq!(
        schedules.group(&account(), "team", at(0)).await.unwrap(),
        None
    );
    let names = schedules.groups(&account(), at(0)).await.unwrap();
    assert_eq!(names.len(), 1);
    assert_eq!(names[0].name, "default");
}

#[tokio::test]
async fn schedules_are_listed_by_group_and_name_without_those_of_rules() {
    let sample = Sample::new();
    let schedules = sample.store.schedules();
    let group = |name: &str| ScheduleGroup {
        name: name.to_owned(),
        is_deleting: false,
        created: at(0),
        modified: at(0),
        tags: Default::default(),
    };
    for name in ["a", "z"] {
        schedules
            .create_group(account(), group(name), None)
            .await
            .unwrap();
    }
    for (group, name) in [("z", "one"), ("a", "two"), ("a", "one"), ("default", "x")] {
        schedules
            .create(new(id(group, name), 1), None, at(0))
            .await
            .unwrap();
    }
    let rule = NewSchedule {
        id: ScheduleId {
            space: ScheduleSpace::Rules,
            ..id("default", "rule/target")
        },
        ..new(id("default", "x"), 1)
    };
    schedules.put(rule.clone(), at(0)).await.unwrap();
    schedules.put(rule.clone(), at(0)).await.unwrap();
    let names = |query| async {
        let found = schedules.list(query).await.unwrap();
        let name = |one: &Schedule| format!("{}/{}", one.id.group, one.id.name);
        found.iter().map(name).collect::<Vec<_>>()
    };
    let all = ["a/one", "a/two", "default/x", "z/one"];
    assert_eq!(names(list()).await, all);
    let of_group = |group: &str| ListSchedules {
        group: Some(group.to_owned()),
        ..list()
    };
    assert_eq!(names(of_group("a")).await, all[..2]);
    assert_eq!(names(of_group("z")).await, all[3..]);
    let after = ListSchedules {
        after: Some(("a".to_owned(), "one".to_owned())),
        count_max: 2,
        ..list()
    };
    assert_eq!(names(after).await, all[1..3]);
    let prefix = ListSchedules {
        prefix: Some("o".to_owned()),
        ..list()
    };
    assert_eq!(names(prefix).await, ["a/one", "z/one"]);
    let paused = ListSchedules {
        is_enabled: Some(false),
        ..list()
    };
    assert!(names(paused).await.is_empty());
    assert_eq!(due(&sample.store, 1).await.len(), 5, "the rule is due too");
    schedules.delete(rule.id, None, at(0)).await.unwrap();
    let tagged =
        schedules.tag_group::<ScheduleError, _>(account(), "a".to_owned(), at(5), |tags| {
            tags.insert("k".to_owned(), "v".to_owned());
            Ok(())
        });
    tagged.await.unwrap();
    let group = schedules
        .group(&account(), "a", at(5))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((group.tags["k"].as_str(), group.modified), ("v", at(5)));
    let closed: Result<_, Error> = schedules.get(&id("a", "one")).await;
    assert!(closed.unwrap().is_some());
}
