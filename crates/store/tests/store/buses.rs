//! Event buses and rules: in memory as on disk, one change at a time.

use kiln_store::BusError;
use kiln_types::{AccountId, Bus, BusId, Rule, RuleId, RuleState};

use crate::sample::Sample;

fn bus_id(name: &str) -> BusId {
    BusId {
        account: AccountId::default(),
        name: name.parse().unwrap(),
    }
}

fn rule(bus: &str, name: &str) -> Rule {
    Rule {
        id: RuleId {
            bus: bus_id(bus),
            name: name.parse().unwrap(),
        },
        pattern: Some(r#"{"source":["a"]}"#.to_owned()),
        schedule: None,
        state: RuleState::Enabled,
        description: None,
        role: None,
        targets: Default::default(),
        tags: Default::default(),
    }
}

async fn put(sample: &Sample, rule: Rule) -> Result<(), BusError> {
    let (id, buses) = (rule.id.clone(), sample.store.buses());
    let put = buses.change_rule(&id, move |_, _| Ok::<_, BusError>(Some(rule)));
    put.await.map(|_| ())
}

#[tokio::test]
async fn the_default_bus_is_always_there_and_keeps_rules_without_being_made() {
    let sample = Sample::new();
    let names = |sample: &Sample| {
        let all = sample.store.buses().list(&AccountId::default());
        let name = |live: &std::sync::Arc<kiln_store::LiveBus>| live.bus.id.name.to_string();
        all.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(names(&sample), ["default"]);
    put(&sample, rule("default", "r")).await.unwrap();
    let again = Bus::new(bus_id("default"));
    let made = sample.store.buses().create(again, 100).await;
    assert!(matches!(made, Err(BusError::Exists(_))), "{made:?}");
    let sample = sample.reopened().await;
    let live = sample.store.buses().get(&bus_id("default")).unwrap();
    assert_eq!(live.rules.len(), 1);
    assert_eq!(names(&sample), ["default"]);
}

#[tokio::test]
async fn buses_and_rules_are_kept_changed_and_forgotten() {
    let sample = Sample::new();
    let missing = put(&sample, rule("own", "r")).await;
    assert!(matches!(missing, Err(BusError::NoBus(_))), "{missing:?}");
    let buses = sample.store.buses();
    buses.create(Bus::new(bus_id("own")), 3).await.unwrap();
    put(&sample, rule("own", "r")).await.unwrap();
    let before = buses.get(&bus_id("own")).unwrap();
    let own = bus_id("own");
    let changed = buses.update(&own, |bus| {
        bus.description = Some("mine".to_owned());
        Ok::<_, BusError>(())
    });
    changed.await.unwrap();
    let has_rules = buses.remove(&bus_id("own")).await;
    assert!(matches!(has_rules, Err(BusError::HasRules(_))));
    let sample = sample.reopened().await;
    let buses = sample.store.buses();
    let live = buses.get(&bus_id("own")).unwrap();
    assert_eq!(live.bus.description.as_deref(), Some("mine"));
    assert_eq!(live.rules, before.rules);
    let id = rule("own", "r").id;
    let forgotten = buses.change_rule(&id, |rule, count| {
        assert_eq!((rule.is_some(), count), (true, 1));
        Ok::<_, BusError>(None)
    });
    assert_eq!(forgotten.await.unwrap(), None);
    buses.remove(&bus_id("own")).await.unwrap();
    assert_eq!(buses.get(&bus_id("own")), None);
}

#[tokio::test]
async fn an_account_has_only_so_many_buses_and_what_is_refused_changes_nothing() {
    let sample = Sample::new();
    let buses = sample.store.buses();
    buses.create(Bus::new(bus_id("a")), 2).await.unwrap();
    let full = buses.create(Bus::new(bus_id("b")), 2).await;
    assert!(matches!(full, Err(BusError::TooMany(2))), "{full:?}");
    let id = bus_id("a");
    let refused = buses.update(&id, |bus| {
        bus.description = Some("no".to_owned());
        Err(BusError::TooMany(0))
    });
    assert!(refused.await.is_err());
    assert_eq!(buses.get(&bus_id("a")).unwrap().bus.description, None);
}
