//! Posts: kept with what they come with, counted, moved on, and never lost.

use std::sync::Arc;

use kiln_store::messages::{NewMessage, Receive};
use kiln_store::posts::{NewPost, Waiting};
use kiln_store::queue::{DeliverError, Delivery};
use kiln_store::{Config, Store};
use kiln_types::{AccountId, ManualClock, MessageId, QueueId, SubscriptionId, Timestamp, TopicId};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn open(dir: &tempfile::TempDir) -> Store {
    Store::open(Config::new(dir.path()), Arc::new(ManualClock::default())).unwrap()
}

fn post(text: &str) -> NewPost {
    NewPost {
        topic: TopicId {
            account: AccountId::default(),
            name: "orders".parse().unwrap(),
        },
        subscription: SubscriptionId::from_bytes([7; 16]),
        document: text.to_owned().into(),
    }
}

fn queue(name: &str) -> QueueId {
    QueueId {
        account: AccountId::default(),
        name: name.parse().unwrap(),
    }
}

fn letter(to: &str, body: &str) -> NewMessage {
    NewMessage::plain(MessageId::random(), &queue(to), body.to_owned(), "test")
}

async fn keep(store: &Store, texts: &[&str]) -> Vec<Waiting> {
    let all = texts.iter().map(|text| Delivery::Post(post(text)));
    store.queue().deliver(all.collect(), at(5)).await.unwrap();
    store.posts().arrived().await
}

#[tokio::test]
async fn a_post_waits_until_it_is_done_also_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let large = "x".repeat(100_000);
    let arrived = keep(&store, &["small", &large]).await;
    assert_eq!(arrived, store.posts().waiting().await.unwrap());
    assert_eq!((arrived.len(), arrived[0].due), (2, at(5)));
    assert_eq!(arrived[0].subscription, post("").subscription);
    let bytes = store.queue().totals().bytes;
    assert_eq!(bytes, post("small").size() + post(&large).size());
    let posts = store.posts();
    posts.again(arrived[0].key, 2, at(9_000)).await.unwrap();
    store.close().await.unwrap();
    drop(store);

    let store = open(&dir);
    let waiting = store.posts().waiting().await.unwrap();
    assert_eq!((waiting.len(), waiting[0].due), (2, at(9_000)));
    let found = store.posts().get(waiting[0].key).await.unwrap().unwrap();
    assert_eq!((&found.document[..], found.failures), (&b"small"[..], 2));
    let found = store.posts().get(waiting[1].key).await.unwrap().unwrap();
    assert_eq!((found.document.len(), found.accepted), (large.len(), at(5)));
    for post in &waiting {
        store.posts().done(post.key).await.unwrap();
        // Twice is once.
        store.posts().done(post.key).await.unwrap();
        assert_eq!(store.posts().get(post.key).await.unwrap(), None);
    }
    assert_eq!(store.queue().totals().bytes, 0);
}

#[tokio::test]
async fn what_is_given_up_is_a_message_or_waits_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let (settings, tags) = (Default::default(), Default::default());
    let made = store
        .messages()
        .create(queue("dead"), settings, tags, at(0));
    made.await.unwrap();
    let [one, other] = &keep(&store, &["one", "other"]).await[..] else {
        panic!("there are two");
    };
    let posts = store.posts();
    posts
        .bury(one.key, letter("dead", "one"), at(6))
        .await
        .unwrap();
    let refused = posts.bury(other.key, letter("gone", "other"), at(6)).await;
    assert!(
        matches!(refused, Err(DeliverError::Refused(_))),
        "{refused:?}"
    );
    let left = posts.waiting().await.unwrap();
    assert_eq!(left, std::slice::from_ref(other));
    let ask = Receive {
        queue: queue("dead"),
        count_max: 10,
        visibility_timeout: None,
        bytes_max: usize::MAX,
        attempt: None,
    };
    let got = store.messages().receive(ask, at(7)).await.unwrap();
    assert_eq!(got.messages[0].body, "one");
}

#[tokio::test]
async fn a_key_is_never_given_twice() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let first = keep(&store, &["first"]).await.remove(0);
    store.posts().done(first.key).await.unwrap();
    let second = keep(&store, &["second"]).await.remove(0);
    assert!(second.key > first.key);
}
