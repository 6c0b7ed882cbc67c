//! What messages of topics come to, with topics, functions and queues of the tests' own.

use std::collections::BTreeSet;
use std::sync::Arc;

use kiln_store::{Config, LiveTopic, Store};
use kiln_types::{AccountId, BusId, ManualClock, QueueId, Region, Subscription, Timestamp, Topic};

use super::super::archives::ReadArchives;
use super::super::directory::Directory;
use super::super::expand::DELIVERIES_MAX;
use super::super::rules::Rules;
use super::*;

/// What there is: one topic, functions by their names, and queues.
struct World {
    topic: LiveTopic,
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

    fn bus(&self, _: &BusId) -> Option<Arc<Rules>> {
        None
    }

    fn topic(&self, id: &TopicId) -> Option<Arc<Subscriptions>> {
        let live = Arc::new(self.topic.clone());
        let read = || Arc::new(Subscriptions::read(live, &Region::default()));
        (self.topic.topic.id == *id).then(read)
    }

    fn has_function(&self, arn: &FunctionArn) -> bool {
        self.functions.contains(arn.name.as_str())
    }

    fn queue(&self, id: &QueueId) -> Option<Arc<MessageQueue>> {
        self.queues.get(id).cloned()
    }
}

fn id() -> TopicId {
    TopicId {
        account: AccountId::default(),
        name: "orders".parse().unwrap(),
    }
}

impl World {
    /// A topic with these subscribers, the function `sum` and the queues that are named.
    async fn with(subscriptions: &[Subscription], queues: &[&str]) -> Self {
        let topic = Topic::plain(id(), Timestamp::default());
        let subscriptions = subscriptions.iter();
        let mut world = Self {
            topic: LiveTopic {
                topic: Arc::new(topic),
                subscriptions: subscriptions
                    .map(|one| (one.id, Arc::new(one.clone())))
                    .collect(),
            },
            functions: ["sum".to_owned()].into(),
            queues: BTreeMap::new(),
        };
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Config::new(dir.path()), Arc::new(ManualClock::default())).unwrap();
        for name in queues {
            let id = QueueId {
                account: AccountId::default(),
                name: name.parse().unwrap(),
            };
            let (settings, now) = (Default::default(), Timestamp::default());
            let made = store
                .messages()
                .create(id.clone(), settings, BTreeMap::new(), now);
            world.queues.insert(id, made.await.unwrap().queue);
        }
        world
    }

    fn expand(&self, all: &[Placed]) -> Expansion {
        let around = Surroundings {
            directory: self,
            endpoint: "http://localhost:4566",
            now: Timestamp::default(),
        };
        expand(&id(), all, &around)
    }
}

fn to(who: &str) -> Subscription {
    let (service, rest) = who.split_once(':').unwrap();
    let arn = format!("arn:aws:{service}:us-east-1:000000000000:{rest}");
    Subscription::plain(id(), arn.parse().unwrap())
}

fn says(text: &str) -> Placed {
    Placed::anywhere(Notice::plain(text.to_owned(), Some("Root=1".to_owned())))
}

/// Who is sent something.
fn receivers(made: &Expansion) -> Vec<String> {
    let receiver = |delivery: &Delivery| match delivery {
        Delivery::Event(event) => event.function.name.to_string(),
        Delivery::Message(message) => message.queue.name.to_string(),
        Delivery::Post(post) => format!("post {}", post.subscription),
        Delivery::Object(_) | Delivery::Archived(_) | Delivery::Published(_) => "known".to_owned(),
    };
    let mut receivers: Vec<String> = made.deliveries.iter().map(receiver).collect();
    receivers.sort();
    receivers
}

#[tokio::test]
async fn everybody_gets_a_message_and_its_chain_goes_on() {
    let all = [to("lambda:function:sum"), to("sqs:one"), to("sqs:two")];
    let world = World::with(&all, &["one", "two"]).await;
    let made = world.expand(&[says("x")]);
    assert_eq!(
        (receivers(&made), made.results),
        (vec!["one".into(), "sum".into(), "two".into()], vec![Ok(())])
    );
    for delivery in &made.deliveries {
        let trace = match delivery {
            Delivery::Event(event) => &event.trace,
            Delivery::Message(message) => &message.trace,
            Delivery::Post(_)
            | Delivery::Object(_)
            | Delivery::Archived(_)
            | Delivery::Published(_) => &None,
        };
        assert_eq!(trace.as_deref(), Some("Root=1"));
    }
}

#[tokio::test]
async fn who_does_not_want_a_message_does_not_get_it() {
    let dear = Subscription {
        filter: Some(r#"{"price": [{"numeric": [">", 100]}]}"#.to_owned()),
        ..to("sqs:dear")
    };
    let body = Subscription {
        filter: Some(r#"{"a": {"b": [1]}}"#.to_owned()),
        filters_body: true,
        ..to("sqs:body")
    };
    let world = World::with(&[dear, body], &["dear", "body"]).await;
    let priced = |price: u32, text: &str| {
        let mut one = says(text);
        let price = MessageAttribute::number(price);
        one.notice.attributes.insert("price".to_owned(), price);
        one
    };
    for (one, expected) in [
        (priced(101, "x"), vec!["dear"]),
        (priced(100, "x"), vec![]),
        (priced(7, r#"{"a": {"b": 1}}"#), vec!["body"]),
        (says(r#"{"a": {"b": 1}}"#), vec!["body"]),
    ] {
        assert_eq!(receivers(&world.expand(&[one])), expected);
    }
}

#[tokio::test]
async fn what_cannot_be_delivered_is_a_dead_letter_or_dropped() {
    let dead = |one: Subscription| {
        let Subscriber::Queue(queue) = to("sqs:dead").to else {
            unreachable!("it is a queue");
        };
        Subscription {
            dead_letters: Some(queue),
            ..one
        }
    };
    let raw = Subscription {
        is_raw: true,
        ..to("sqs:raw")
    };
    let all = [dead(to("lambda:function:gone")), to("sqs:gone"), dead(raw)];
    let world = World::with(&all, &["raw", "dead"]).await;
    let made = world.expand(&[says("x")]);
    assert_eq!(receivers(&made), ["dead", "raw"]);
    assert_eq!(made.dropped.len(), 1);
    assert_eq!(
        (made.dropped[0].why, &made.dropped[0].by),
        (Why::Gone, &all[1].arn(&Region::default()).to_string())
    );
    let mut many = says("x");
    for number in 0..=ATTRIBUTES_MAX {
        let value = MessageAttribute::number(number);
        many.notice.attributes.insert(format!("a{number}"), value);
    }
    let made = world.expand(&[many]);
    assert_eq!(receivers(&made), ["dead", "dead"]);
}

#[tokio::test]
async fn what_a_fifo_topic_knows_is_not_sent_again() {
    let world = World::with(&[to("sqs:one")], &["one"]).await;
    let published = Published {
        topic: id(),
        digest: [0; 16],
        id: MessageId::random(),
        number: 7,
    };
    let new = Placed {
        place: Place::New(published.clone()),
        ..says("x")
    };
    let known = Placed {
        place: Place::Known(published),
        ..says("x")
    };
    let made = world.expand(&[new, known]);
    assert_eq!(receivers(&made), ["known", "one"]);
    let Some(Delivery::Message(message)) = made.deliveries.last() else {
        panic!("a queue gets it: {:?}", made.deliveries);
    };
    assert!(
        message
            .body
            .contains(r#""SequenceNumber":"10000000000000000007""#)
    );
    assert_eq!(made.results, [Ok(()), Ok(())]);
}

#[tokio::test]
async fn a_message_that_would_go_to_too_many_is_refused_whole_and_others_are_not() {
    let all: Vec<_> = (0..DELIVERIES_MAX - 1)
        .map(|_| to("lambda:function:sum"))
        .collect();
    let world = World::with(&all, &[]).await;
    let made = world.expand(&[says("x"), says("y")]);
    assert_eq!(made.results, [Ok(()), Err(Refusal::TooMuch)]);
    assert_eq!(made.deliveries.len(), DELIVERIES_MAX - 1);
    let elsewhere = TopicId {
        account: AccountId::default(),
        name: "none".parse().unwrap(),
    };
    let around = Surroundings {
        directory: &world,
        endpoint: "",
        now: Timestamp::default(),
    };
    let made = expand(&elsewhere, &[says("x")], &around);
    assert_eq!(made.results, [Err(Refusal::NoTopic(elsewhere))]);
}

#[tokio::test]
async fn an_endpoint_is_posted_its_own_text_once_it_has_agreed() {
    let plain = |url: &str| Subscription::plain(id(), url.parse().unwrap());
    let asked = Subscription {
        confirmation: kiln_types::Confirmation::Pending {
            token: "t".to_owned(),
            since: Timestamp::default(),
        },
        ..plain("http://b.example/")
    };
    let subscriptions = [
        plain("http://a.example/"),
        plain("https://a.example/"),
        asked,
    ];
    let world = World::with(&subscriptions, &[]).await;
    let mut one = says("to all");
    one.notice.text.https = Some("to https".to_owned());
    let made = world.expand(&[one]);
    let text = |delivery: &Delivery| match delivery {
        Delivery::Post(post) => {
            let posted: kiln_events::posted::Posted =
                serde_json::from_slice(&post.document).unwrap();
            assert!(!posted.is_confirmation() && posted.signature.is_none());
            (post.subscription, posted.message)
        }
        other => panic!("{other:?}"),
    };
    let texts: BTreeMap<kiln_types::SubscriptionId, String> =
        made.deliveries.iter().map(text).collect();
    let expected = [(0, "to all"), (1, "to https")];
    let expected = expected.map(|(no, text)| (subscriptions[no].id, text.to_owned()));
    assert_eq!(texts, expected.into());
}
