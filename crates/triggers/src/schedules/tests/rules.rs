//! Rules that run by a schedule: the schedule follows the rule, and a tick is what its targets get.

use std::collections::BTreeMap;

use kiln_store::{BusError, Error};
use kiln_types::{BusId, Recipient, Rule, RuleId, RuleState, Target, TargetInput};
use serde_json::{Value, json};

use super::*;

fn id() -> RuleId {
    RuleId {
        bus: BusId::default_of(AccountId::default()),
        name: "often".parse().unwrap(),
    }
}

fn target(queue_name: &str, input: TargetInput) -> Target {
    Target {
        to: Recipient::Queue(queue(queue_name)),
        input,
        group: None,
        role: None,
        dead_letters: None,
        retries: None,
        age_max_secs: None,
    }
}

fn rule(expression: &str) -> Rule {
    let constant = TargetInput::Constant("\"tick\"".to_owned());
    Rule {
        id: id(),
        pattern: None,
        schedule: Some(expression.to_owned()),
        state: RuleState::Enabled,
        description: None,
        role: None,
        targets: BTreeMap::from([
            ("whole".to_owned(), target("ticks", TargetInput::Whole)),
            ("constant".to_owned(), target("ticks", constant)),
            ("gone".to_owned(), target("gone", TargetInput::Whole)),
        ]),
        tags: BTreeMap::new(),
    }
}

async fn put(rig: &Rig, rule: Option<Rule>) {
    let (buses, id) = (rig.store.buses(), id());
    let put = buses.change_rule(&id, move |_, _| Ok::<_, BusError>(rule));
    put.await.unwrap();
}

/// Waits until the rule's schedule has this expression; none when there is to be none.
async fn until_scheduled(rig: &Rig, expression: Option<&str>) {
    let reached = async {
        loop {
            let found = rig.store.schedules().of_rules().await.unwrap();
            let found = found.first().map(|found| found.settings.expression.clone());
            if found.as_deref() == expression {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let patience = Duration::from_secs(20);
    let waited = tokio::time::timeout(patience, reached).await;
    waited.unwrap_or_else(|_| panic!("the schedule does not become {expression:?}"));
}

#[tokio::test]
async fn a_tick_of_a_rule_is_an_event_to_each_of_its_targets() {
    let rig = Rig::start().await;
    put(&rig, Some(rule("rate(1 hour)"))).await;
    until_scheduled(&rig, Some("rate(1 hour)")).await;
    rig.set(ms(60 * MINUTE_MS));
    rig.until((1, 0, 0)).await;
    let got = rig.received("ticks").await;
    let mut bodies: Vec<Value> = got
        .iter()
        .map(|message| serde_json::from_str(&message.body).unwrap())
        .collect();
    bodies.sort_by_key(Value::is_string);
    assert_eq!(bodies[1], "tick");
    assert_eq!(bodies.len(), 2, "a target that is gone holds up no other");
    let id = bodies[0]["id"].clone();
    assert_eq!(
        bodies[0],
        json!({
            "version": "0", "id": id, "detail-type": "Scheduled Event", "source": "aws.events",
            "account": "000000000000", "time": "2026-11-23T14:23:00Z", "region": "us-east-1",
            "resources": ["arn:aws:events:us-east-1:000000000000:rule/often"], "detail": {},
        })
    );
    rig.end().await;
}

#[tokio::test]
async fn the_schedule_of_a_rule_follows_it() {
    let rig = Rig::start().await;
    put(&rig, Some(rule("rate(1 hour)"))).await;
    until_scheduled(&rig, Some("rate(1 hour)")).await;
    put(&rig, Some(rule("rate(2 hours)"))).await;
    until_scheduled(&rig, Some("rate(2 hours)")).await;
    let mut disabled = rule("rate(2 hours)");
    disabled.state = RuleState::Disabled;
    put(&rig, Some(disabled)).await;
    until_scheduled(&rig, None).await;
    put(&rig, Some(rule("rate(2 hours)"))).await;
    until_scheduled(&rig, Some("rate(2 hours)")).await;
    put(&rig, None).await;
    until_scheduled(&rig, None).await;
    rig.end().await;
}

#[tokio::test]
async fn what_a_crash_left_between_a_rule_and_its_schedule_is_mended_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(Set(AtomicI64::new(NOW_MS)));
    let store = Store::open(kiln_store::Config::new(dir.path()), clock).unwrap();
    // A schedule without its rule, and a rule without its schedule.
    let mut orphan = settings("rate(5 minutes)");
    let lost = RuleId {
        name: "lost".parse().unwrap(),
        ..id()
    };
    orphan.target.receiver = Receiver::Rule(lost.clone());
    let new = NewSchedule {
        id: ScheduleId::of_rule(&lost),
        settings: orphan,
        anchor: ms(0),
        seed: 0,
        due: Some(Due::new(ms(MINUTE_MS), ms(MINUTE_MS))),
    };
    let put: Result<(), Error> = store.schedules().put(new, ms(0)).await;
    put.unwrap();
    let (buses, kept_id) = (store.buses(), id());
    let kept = buses.change_rule(&kept_id, |_, _| {
        Ok::<_, BusError>(Some(rule("rate(1 hour)")))
    });
    kept.await.unwrap();
    drop(store);
    let rig = Rig::start_in(dir).await;
    until_scheduled(&rig, Some("rate(1 hour)")).await;
    let kept = rig.store.schedules().of_rules().await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].id, ScheduleId::of_rule(&id()));
    rig.end().await;
}
