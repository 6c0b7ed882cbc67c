//! What publications come to, with buses, functions and queues of the tests' own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kiln_events::envelope::{Entry, Origin};
use kiln_store::{Config, LiveBus, LiveTopic, Store};
use kiln_types::{
    AccountId, Bus, ManualClock, QueueId, Region, Rule, RuleId, RuleState, Subscription, Target,
    TargetInput, Topic, TopicId,
};
use proptest::prelude::*;

use super::super::archives::ReadArchives;
use super::super::rules::Rules;
use super::super::subscriptions::Subscriptions;
use super::*;

/// What there is.
#[derive(Default)]
struct World {
    buses: BTreeMap<BusId, LiveBus>,
    topics: BTreeMap<TopicId, LiveTopic>,
    functions: BTreeSet<String>,
    queues: BTreeMap<QueueId, Arc<MessageQueue>>,
}

impl Directory for World {
    fn archives(&self, _: &BusId) -> Option<Arc<ReadArchives>> {
        None
    }

    fn archives_full(&self) -> Option<u64> {
        None
    }

    fn bus(&self, id: &BusId) -> Option<Arc<Rules>> {
        let live = self.buses.get(id)?.clone();
        Some(Arc::new(Rules::read(Arc::new(live), &Region::default())))
    }

    fn topic(&self, id: &TopicId) -> Option<Arc<Subscriptions>> {
        let live = Arc::new(self.topics.get(id)?.clone());
        Some(Arc::new(Subscriptions::read(live, &Region::default())))
    }

    fn has_function(&self, arn: &FunctionArn) -> bool {
        self.functions.contains(arn.name.as_str())
    }

    fn queue(&self, id: &QueueId) -> Option<Arc<MessageQueue>> {
        self.queues.get(id).cloned()
    }
}

fn bus(name: &str) -> BusId {
    BusId {
        account: AccountId::default(),
        name: name.parse().unwrap(),
    }
}

fn to(arn: &str) -> Target {
    let service = arn.split(':').next().unwrap();
    Target {
        to: format!(
            "arn:aws:{service}:us-east-1:000000000000:{}",
            &arn[service.len() + 1..]
        )
        .parse()
        .unwrap(),
        input: TargetInput::Whole,
        group: None,
        role: None,
        dead_letters: None,
        retries: None,
        age_max_secs: None,
    }
}

fn with_dead_letters(target: Target, queue: &str) -> Target {
    let Recipient::Queue(arn) = to(&format!("sqs:{queue}")).to else {
        unreachable!("it is a queue");
    };
    Target {
        dead_letters: Some(arn),
        ..target
    }
}

impl World {
    /// A rule that wants everything of `source` on a bus.
    fn rule(&mut self, on: &str, name: &str, source: &str, targets: Vec<Target>) {
        let id = bus(on);
        let live = self.buses.entry(id.clone()).or_insert_with(|| LiveBus {
            bus: Arc::new(Bus::new(id.clone())),
            rules: BTreeMap::new(),
        });
        let targets = targets.into_iter().enumerate();
        let rule = Rule {
            id: RuleId {
                bus: id,
                name: name.parse().unwrap(),
            },
            pattern: Some(format!(r#"{{"source":["{source}"]}}"#)),
            schedule: None,
            state: RuleState::Enabled,
            description: None,
            role: None,
            targets: targets.map(|(no, it)| (no.to_string(), it)).collect(),
            tags: BTreeMap::new(),
        };
        live.rules.insert(rule.id.name.clone(), Arc::new(rule));
    }

    /// A topic with these subscribers, by their ARNs' ends.
    fn topic_with(&mut self, name: &str, subscribers: &[&str]) {
        let id = TopicId {
            account: AccountId::default(),
            name: name.parse().unwrap(),
        };
        let topic = Topic::plain(id.clone(), Timestamp::default());
        let subscription = |to_whom: &&str| {
            Subscription::plain(id.clone(), to(to_whom).to.to_string().parse().unwrap())
        };
        let subscriptions = subscribers.iter().map(subscription);
        let live = LiveTopic {
            topic: Arc::new(topic),
            subscriptions: subscriptions.map(|one| (one.id, Arc::new(one))).collect(),
        };
        self.topics.insert(id, live);
    }

    fn disable(&mut self, on: &str, name: &str) {
        let live = self.buses.get_mut(&bus(on)).unwrap();
        let rule = live.rules.get_mut(&name.parse().unwrap()).unwrap();
        Arc::make_mut(rule).state = RuleState::Disabled;
    }

    /// Queues as a real store makes them.
    async fn make_queue(&mut self, name: &str, settings: kiln_store::messages::Settings) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Config::new(dir.path()), Arc::new(ManualClock::default())).unwrap();
        let id = QueueId {
            account: AccountId::default(),
            name: name.parse().unwrap(),
        };
        let messages = store.messages();
        let made = messages.create(id.clone(), settings, BTreeMap::new(), Timestamp::default());
        self.queues.insert(id, made.await.unwrap().queue);
    }

    fn expand(&self, all: &[Publication]) -> Expansion {
        let around = Surroundings {
            endpoint: "http://localhost:4566",
            directory: self,
            now: Timestamp::default(),
        };
        expand(all, &around)
    }

    /// Of one event of the source `a` on the bus `default`.
    fn of_one(&self) -> Expansion {
        let made = self.expand(&[event("default", "a", r#"{"n":1}"#)]);
        assert_eq!(made.results, [Ok(())]);
        made
    }
}

fn event(on: &str, source: &str, detail: &str) -> Publication {
    let entry = Entry {
        source: Some(source),
        detail_type: Some("t"),
        detail: Some(detail),
        ..Entry::default()
    };
    let origin = Origin {
        account: &AccountId::default(),
        region: &Region::default(),
        now: Timestamp::default(),
    };
    Publication {
        bus: bus(on),
        event: entry.accept("e-1".to_owned(), &origin).unwrap(),
        trace: Some("Root=1".to_owned()),
    }
}

/// Who is sent something, and what.
fn sent(made: &Expansion) -> Vec<(String, String)> {
    let one = |delivery: &Delivery| match delivery {
        Delivery::Event(event) => (
            event.invoked_arn.name.to_string(),
            String::from_utf8(event.payload.to_vec()).unwrap(),
        ),
        Delivery::Message(message) => (message.queue.name.to_string(), message.body.clone()),
        Delivery::Post(_)
        | Delivery::Object(_)
        | Delivery::Archived(_)
        | Delivery::Published(_) => {
            panic!("nobody here gets such")
        }
    };
    made.deliveries.iter().map(one).collect()
}

fn names(made: &Expansion) -> Vec<String> {
    sent(made).into_iter().map(|(name, _)| name).collect()
}

fn whys(made: &Expansion) -> Vec<Why> {
    made.dropped.iter().map(|dropped| dropped.why).collect()
}

#[tokio::test]
async fn an_event_goes_to_all_targets_of_the_rules_that_want_it_and_to_no_other() {
    let mut world = World::default();
    world.functions.extend(["f".to_owned(), "g".to_owned()]);
    world.make_queue("q", Default::default()).await;
    let targets = vec![to("lambda:function:f"), to("sqs:q")];
    world.rule("default", "first", "a", targets);
    world.rule("default", "second", "a", vec![to("lambda:function:g")]);
    world.rule("default", "other", "b", vec![to("lambda:function:g")]);
    world.rule("default", "off", "a", vec![to("lambda:function:g")]);
    world.disable("default", "off");
    let made = world.of_one();
    assert_eq!(names(&made), ["f", "q", "g"]);
    for (_, text) in sent(&made) {
        assert!(text.starts_with(r#"{"version":"0","id":"e-1","#), "{text}");
    }
    let Delivery::Event(event) = &made.deliveries[0] else {
        panic!("a function gets an event")
    };
    assert_eq!(event.trace.as_deref(), Some("Root=1"));
}

#[test]
fn a_target_is_sent_what_it_wishes() {
    let mut world = World::default();
    world.functions.insert("f".to_owned());
    let of = |input| Target {
        input,
        ..to("lambda:function:f")
    };
    let template = TargetInput::Template {
        paths: [("n".to_owned(), "$.detail.n".to_owned())].into(),
        template: r#"{"number": <n>, "rule": <aws.events.rule-name>}"#.to_owned(),
    };
    let targets = vec![
        of(TargetInput::Constant("[1]".to_owned())),
        of(TargetInput::Part("$.detail".to_owned())),
        of(template),
    ];
    world.rule("default", "r", "a", targets);
    let texts: Vec<String> = sent(&world.of_one())
        .into_iter()
        .map(|(_, it)| it)
        .collect();
    assert_eq!(
        texts,
        ["[1]", r#"{"n":1}"#, r#"{"number": 1, "rule": "r"}"#]
    );
}

#[tokio::test]
async fn a_topic_is_published_what_its_rule_says_and_a_missing_one_is_a_dead_letter() {
    let mut world = World::default();
    world.functions.insert("f".to_owned());
    world.make_queue("q", Default::default()).await;
    world.make_queue("dead", Default::default()).await;
    world.topic_with("orders", &["lambda:function:f", "sqs:q", "sqs:gone"]);
    let part = Target {
        input: TargetInput::Part("$.detail".to_owned()),
        ..to("sns:orders")
    };
    let gone = with_dead_letters(to("sns:gone"), "dead");
    world.rule("default", "r", "a", vec![part, gone]);
    let made = world.of_one();
    let mut names = names(&made);
    names.sort();
    assert_eq!(names, ["dead", "f", "q"]);
    // A subscriber that is gone is the topic's affair.
    assert_eq!(whys(&made), [Why::Gone]);
    for (name, text) in sent(&made) {
        let said: Value = serde_json::from_str(&text).unwrap();
        match name.as_str() {
            "f" => assert_eq!(said["Records"][0]["Sns"]["Message"], r#"{"n":1}"#),
            "q" => assert_eq!(said["Message"], r#"{"n":1}"#),
            _ => assert_eq!(said["detail"]["n"], 1),
        }
    }
}

#[test]
fn what_is_larger_than_a_topic_takes_is_not_published() {
    let mut world = World::default();
    world.functions.insert("f".to_owned());
    world.topic_with("orders", &["lambda:function:f"]);
    world.rule("default", "r", "a", vec![to("sns:orders")]);
    let large = format!(r#"{{"x":"{}"}}"#, "x".repeat(PUBLISHED_BYTES_MAX));
    let made = world.expand(&[event("default", "a", &large)]);
    assert_eq!(whys(&made), [Why::TooLarge]);
}

#[test]
fn an_event_goes_from_bus_to_bus_and_never_in_a_circle() {
    let mut world = World::default();
    world.functions.insert("f".to_owned());
    let over = |name: &str| to(&format!("events:event-bus/{name}"));
    world.rule("default", "on", "a", vec![over("b")]);
    world.rule(
        "b",
        "on",
        "a",
        vec![to("lambda:function:f"), over("default"), over("b")],
    );
    let made = world.of_one();
    assert_eq!(names(&made), ["f"]);
    assert_eq!(whys(&made), [Why::Loop, Why::Loop]);
}

#[test]
fn an_event_goes_over_so_many_buses() {
    let mut world = World::default();
    world.functions.insert("f".to_owned());
    let name = |no: usize| match no {
        0 => "default".to_owned(),
        no => format!("b{no}"),
    };
    for no in 0..DEPTH_MAX {
        let next = to(&format!("events:event-bus/{}", name(no + 1)));
        world.rule(&name(no), "on", "a", vec![to("lambda:function:f"), next]);
    }
    world.rule(&name(DEPTH_MAX), "on", "a", vec![to("lambda:function:f")]);
    let made = world.of_one();
    assert_eq!(made.deliveries.len(), DEPTH_MAX);
    assert_eq!(whys(&made), [Why::Loop]);
}

#[tokio::test]
async fn what_cannot_be_delivered_goes_to_the_dead_letter_queue_or_is_dropped() {
    let mut world = World::default();
    world.make_queue("dead", Default::default()).await;
    let gone = || to("lambda:function:gone");
    let targets = vec![
        with_dead_letters(gone(), "dead"),
        with_dead_letters(gone(), "gone"),
        gone(),
        to("sqs:gone"),
        to("events:event-bus/gone"),
    ];
    world.rule("default", "r", "a", targets);
    let made = world.of_one();
    assert_eq!(whys(&made), [Why::Gone; 4]);
    let [Delivery::Message(letter)] = &made.deliveries[..] else {
        panic!("one dead letter: {:?}", made.deliveries)
    };
    assert!(letter.body.contains(r#""detail":{"n":1}"#));
    let text = |name: &str| match &letter.attributes[name].value {
        kiln_types::AttributeValue::Text(text) => text.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        text("RULE_ARN"),
        "arn:aws:events:us-east-1:000000000000:rule/r"
    );
    assert_eq!(text("TARGET_ARN"), gone().to.to_string());
    assert_eq!(text("ERROR_CODE"), "RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn a_queue_gets_only_what_it_takes() {
    let mut world = World::default();
    let fifo = |deduplicates_by_content| kiln_store::messages::Settings {
        fifo: Some(kiln_store::messages::Fifo {
            deduplicates_by_content,
            ..Default::default()
        }),
        ..Default::default()
    };
    world.make_queue("content.fifo", fifo(true)).await;
    world.make_queue("id.fifo", fifo(false)).await;
    let small = kiln_store::messages::Settings {
        bytes_max: 1_024,
        ..Default::default()
    };
    world.make_queue("small", small).await;
    let grouped = |name: &str| Target {
        group: Some("g".to_owned()),
        ..to(&format!("sqs:{name}"))
    };
    let targets = vec![
        grouped("content.fifo"),
        grouped("id.fifo"),
        to("sqs:id.fifo"),
        to("sqs:small"),
    ];
    world.rule("default", "r", "a", targets);
    let detail = format!(r#"{{"x":"{}"}}"#, "x".repeat(1_024));
    let made = world.expand(&[event("default", "a", &detail)]);
    assert_eq!(whys(&made), [Why::NoGroup, Why::TooLarge]);
    let ids = made.deliveries.iter().map(|delivery| match delivery {
        Delivery::Message(message) => message.deduplication.clone(),
        _ => panic!("queues get messages"),
    });
    assert_eq!(ids.collect::<Vec<_>>(), [None, Some("e-1".to_owned())]);
}

#[test]
fn publications_that_come_to_too_much_are_refused_whole_and_others_are_not() {
    let mut world = World::default();
    world.functions.insert("f".to_owned());
    world.rule("small", "r", "a", vec![to("lambda:function:f")]);
    // 20 times 20 times 30 targets.
    let over = |name: &str| to(&format!("events:event-bus/{name}"));
    for no in 0..20 {
        world.rule("default", &format!("r{no}"), "a", vec![over("b")]);
        world.rule("b", &format!("r{no}"), "a", vec![over("c")]);
    }
    for no in 0..6 {
        let targets = vec![to("lambda:function:f"); 5];
        world.rule("c", &format!("r{no}"), "a", targets);
    }
    let all = [
        event("small", "a", "{}"),
        event("default", "a", "{}"),
        event("gone", "a", "{}"),
        event("small", "a", "{}"),
    ];
    let made = world.expand(&all);
    let gone = Err(Refusal::NoBus(bus("gone")));
    assert_eq!(made.results, [Ok(()), Err(Refusal::TooMuch), gone, Ok(())]);
    assert_eq!(names(&made), ["f", "f"]);
    assert!(made.dropped.is_empty());
}

#[test]
fn a_text_that_a_template_makes_too_large_is_not_delivered() {
    let mut world = World::default();
    world.functions.insert("f".to_owned());
    let target = Target {
        input: TargetInput::Template {
            paths: [("x".to_owned(), "$.detail.x".to_owned())].into(),
            template: format!("[{}0]", "<x>, ".repeat(1_000)),
        },
        ..to("lambda:function:f")
    };
    world.rule("default", "r", "a", vec![target]);
    let detail = format!(r#"{{"x":"{}"}}"#, "x".repeat(100_000));
    let made = world.expand(&[event("default", "a", &detail)]);
    assert_eq!(whys(&made), [Why::TooLarge]);
}

proptest! {
    /// Buses that send on to each other in any way: the work ends, and nothing is lost without a trace.
    #[test]
    fn any_buses_come_to_an_end(edges in prop::collection::vec((0..6_usize, 0..6_usize), 0..20)) {
        let mut world = World::default();
        world.functions.insert("f".to_owned());
        world.rule("default", "begin", "a", vec![to("events:event-bus/b0")]);
        for no in 0..6 {
            world.rule(&format!("b{no}"), "f", "a", vec![to("lambda:function:f")]);
        }
        for (no, (from, next)) in edges.iter().enumerate() {
            let next = to(&format!("events:event-bus/b{next}"));
            world.rule(&format!("b{from}"), &format!("to{no}"), "a", vec![next]);
        }
        let made = world.expand(&[event("default", "a", "{}")]);
        match &made.results[0] {
            Ok(()) => prop_assert!(!made.deliveries.is_empty()),
            Err(refusal) => {
                prop_assert_eq!(refusal, &Refusal::TooMuch);
                prop_assert!(made.deliveries.is_empty() && made.dropped.is_empty());
            }
        }
        prop_assert!(made.deliveries.len() + made.dropped.len() <= DELIVERIES_MAX);
    }
}
