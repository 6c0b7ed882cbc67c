//! Topics and subscriptions: in memory as on disk, one change at a time; and what FIFO topics know.

use std::sync::Arc;

use kiln_store::queue::{Delivery, Published};
use kiln_store::{LiveTopic, TopicError};
use kiln_types::{
    AccountId, MessageId, QueueArn, QueueId, Region, Subscriber, Subscription, Timestamp, Topic,
    TopicId,
};

use crate::queue::at;
use crate::sample::Sample;

fn topic_id(name: &str) -> TopicId {
    TopicId {
        account: AccountId::default(),
        name: name.parse().unwrap(),
    }
}

fn topic(name: &str) -> Topic {
    Topic::plain(topic_id(name), Timestamp::from_millis(1))
}

fn subscription(topic: &str) -> Subscription {
    let account = AccountId::default();
    let name = "orders".parse().unwrap();
    let queue = QueueArn::new(Region::default(), QueueId { account, name });
    Subscription::plain(topic_id(topic), Subscriber::Queue(queue))
}

async fn make(sample: &Sample, name: &str) -> Arc<Topic> {
    let topic = topic(name);
    let topics = sample.store.topics();
    let id = topic.id.clone();
    let made = topics.put(&id, move |_| Ok::<_, TopicError>(topic));
    made.await.unwrap()
}

async fn subscribe(sample: &Sample, one: Subscription) -> Result<Arc<Subscription>, TopicError> {
    let topics = sample.store.topics();
    topics.subscribe(&one.topic.clone(), move |_| Ok(one)).await
}

fn live(sample: &Sample, name: &str) -> Option<Arc<LiveTopic>> {
    sample.store.topics().get(&topic_id(name))
}

#[tokio::test]
async fn topics_and_subscriptions_are_kept_changed_and_forgotten() {
    let sample = Sample::new();
    let missing = subscribe(&sample, subscription("orders")).await;
    assert!(
        matches!(missing, Err(TopicError::NoTopic(_))),
        "{missing:?}"
    );
    make(&sample, "orders").await;
    make(&sample, "other").await;
    let one = subscribe(&sample, subscription("orders")).await.unwrap();
    let two = subscribe(&sample, subscription("orders")).await.unwrap();
    let before = live(&sample, "orders").unwrap();
    assert_eq!(before.subscriptions.len(), 2);

    let raw = Subscription {
        is_raw: true,
        ..(*one).clone()
    };
    subscribe(&sample, raw.clone()).await.unwrap();
    make(&sample, "orders").await;
    let sample = sample.reopened().await;
    let after = live(&sample, "orders").unwrap();
    assert_eq!(*after.subscriptions[&one.id], raw);
    assert_eq!(after.subscriptions[&two.id], two);

    let topics = sample.store.topics();
    topics.unsubscribe(&one.topic, one.id).await.unwrap();
    assert_eq!(live(&sample, "orders").unwrap().subscriptions.len(), 1);
    topics.remove(&topic_id("orders")).await.unwrap();
    make(&sample, "orders").await;
    let sample = sample.reopened().await;
    assert!(live(&sample, "orders").unwrap().subscriptions.is_empty());
    let names = sample.store.topics().list(&AccountId::default());
    let names: Vec<_> = names
        .iter()
        .map(|live| live.topic.id.name.as_str().to_owned())
        .collect();
    assert_eq!(names, ["orders", "other"]);
}

#[tokio::test]
async fn what_was_published_is_known_for_five_minutes_and_its_number_for_good() {
    let sample = Sample::new();
    let published = Published {
        topic: topic_id("orders.fifo"),
        digest: [7; 16],
        id: MessageId::random(),
        number: 9,
    };
    let kept = Delivery::Published(published.clone());
    sample
        .store
        .queue()
        .deliver(vec![kept], at(0))
        .await
        .unwrap();
    let sample = sample.reopened().await;
    let queue = sample.store.queue();
    let digests = vec![[7; 16], [8; 16]];
    let known = |now| queue.published(&published.topic, digests.clone(), now);
    let found = known(at(299_999)).await.unwrap();
    assert_eq!(found, (9, vec![Some(published.clone()), None]));
    assert_eq!(known(at(300_000)).await.unwrap(), (9, vec![None, None]));
    let other = topic_id("other.fifo");
    let elsewhere = queue.published(&other, digests.clone(), at(0));
    assert_eq!(elsewhere.await.unwrap(), (0, vec![None, None]));
}
