//! What is told of changes in buckets.

use std::sync::Arc;

use kiln_store::Store;
use kiln_types::{ManualClock, Notifications, Topic, Versioning};

use super::*;

fn cause() -> Cause {
    Cause {
        principal: "AIDATEST".to_owned(),
        address: "127.0.0.1".to_owned(),
        request_id: "R".to_owned(),
        host_id: "H".to_owned(),
        trace: None,
        now: Timestamp::from_millis(1_795_440_180_123),
    }
}

fn rule(id: &str, to: &str, events: &[&str], prefix: &str) -> NotificationRule {
    NotificationRule {
        id: id.to_owned(),
        to: to.parse().unwrap(),
        events: events.iter().map(|event| (*event).to_owned()).collect(),
        prefix: Some(prefix.to_owned()),
        suffix: None,
    }
}

fn bucket(rules: Vec<NotificationRule>) -> Bucket {
    Bucket {
        name: "photos".parse().unwrap(),
        account: "000000000000".parse().unwrap(),
        created: Timestamp::from_millis(0),
        versioning: Versioning::Off,
        tags: Default::default(),
        notifications: Notifications {
            rules,
            on_bus: false,
        },
        policy: None,
        public_access_block: None,
    }
}

fn told(bucket: &Bucket, event: &'static str, key: &str) -> Vec<Delivery> {
    let dir = tempfile::tempdir().unwrap();
    let config = kiln_store::Config::new(dir.path());
    let store = Store::open(config, Arc::new(ManualClock::default())).unwrap();
    let fan_out = FanOut::new(store, Region::default());
    let tell = ObjectEvents::new(fan_out, Region::default()).tell(cause());
    tell(&Happening {
        event,
        bucket,
        key,
        version: None,
        size: Some(5),
        etag: Some("abc"),
        seq: 0x2A,
    })
}

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";

#[test]
fn the_record_is_that_of_s3() {
    let bucket = bucket(vec![rule("r", FUNCTION, &["s3:ObjectCreated:*"], "")]);
    let deliveries = told(&bucket, "ObjectCreated:Put", "a b/ä+.png");
    let [Delivery::Event(event)] = &deliveries[..] else {
        panic!("{deliveries:?}")
    };
    let record: Value = serde_json::from_slice(&event.payload).unwrap();
    let expected = json!({"Records": [{
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-11-23T13:23:00.123Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:AIDATEST"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": "R", "x-amz-id-2": "H"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "r",
            "bucket": {
                "name": "photos",
                "ownerIdentity": {"principalId": "000000000000"},
                "arn": "arn:aws:s3:::photos",
            },
            "object": {
                "key": "a+b/%C3%A4%2B.png",
                "size": 5,
                "eTag": "abc",
                "sequencer": "00000000000000002A",
            },
        },
    }]});
    assert_eq!(record, expected);
}

#[test]
fn only_those_are_told_whose_rules_want_it() {
    let bucket = bucket(vec![
        rule("made", FUNCTION, &["s3:ObjectCreated:*"], "in/"),
        rule("gone", QUEUE, &["s3:ObjectRemoved:Delete"], ""),
    ]);
    assert!(matches!(
        &told(&bucket, "ObjectCreated:Copy", "in/a")[..],
        [Delivery::Event(_)]
    ));
    assert!(matches!(
        &told(&bucket, "ObjectRemoved:Delete", "in/a")[..],
        [Delivery::Message(_)]
    ));
    assert_eq!(told(&bucket, "ObjectCreated:Put", "out/a"), []);
    assert_eq!(
        told(&bucket, "ObjectRemoved:DeleteMarkerCreated", "in/a"),
        []
    );
}

#[tokio::test]
async fn a_topics_subscribers_are_told_what_others_are_and_of_a_missing_topic_nobody_is() {
    let dir = tempfile::tempdir().unwrap();
    let config = kiln_store::Config::new(dir.path());
    let store = Store::open(config, Arc::new(ManualClock::default())).unwrap();
    let topic: TopicArn = "arn:aws:sns:us-east-1:000000000000:t".parse().unwrap();
    let new = Topic::plain(topic.topic.clone(), Timestamp::default());
    let made = store
        .topics()
        .put(&topic.topic, move |_| Ok::<_, kiln_store::Error>(new));
    made.await.unwrap();
    let subscription = kiln_types::Subscription {
        is_raw: true,
        ..kiln_types::Subscription::plain(topic.topic.clone(), QUEUE.parse().unwrap())
    };
    let subscribed = store.topics().subscribe(&topic.topic, move |_| {
        Ok::<_, kiln_store::TopicError>(subscription)
    });
    subscribed.await.unwrap();
    let queue: QueueArn = QUEUE.parse().unwrap();
    let (settings, now) = (Default::default(), Timestamp::default());
    let queue = store
        .messages()
        .create(queue.queue, settings, Default::default(), now);
    queue.await.unwrap();

    let events = ObjectEvents::new(FanOut::new(store, Region::default()), Region::default());
    let rule = |to: &str| bucket(vec![rule("r", to, &["s3:ObjectCreated:*"], "")]);
    let here = rule(&topic.to_string());
    let happening = |bucket| Happening {
        event: "ObjectCreated:Put",
        bucket,
        key: "k",
        version: None,
        size: Some(5),
        etag: Some("abc"),
        seq: 1,
    };
    let told = events.tell(cause())(&happening(&here));
    let [Delivery::Message(message)] = &told[..] else {
        panic!("{told:?}")
    };
    let record: Value = serde_json::from_str(&message.body).unwrap();
    assert_eq!(record["Records"][0]["s3"]["object"]["key"], "k");
    let test = events.test(&here, &here.notifications.rules[0].to, &cause());
    assert!(matches!(&test[..], [Delivery::Message(one)] if one.body.contains("s3:TestEvent")));
    let gone = rule("arn:aws:sns:us-east-1:000000000000:gone");
    assert_eq!(events.tell(cause())(&happening(&gone)), []);
}
