//! Messages: published, and where they arrive.

use kiln_store::messages::{Message, Receive};
use kiln_types::QueueId;
use serde_json::Value;

use super::super::message;
use super::*;

fn says(topic: &str, message: &str) -> PublishInput {
    PublishInput {
        topic_arn: Some(arn(topic)),
        message: message.to_owned(),
        ..Default::default()
    }
}

async fn publish(fixture: &Fixture, input: PublishInput) -> Result<PublishResponse> {
    message::publish::handle(&fixture.context, input).await
}

async fn receive(fixture: &Fixture, name: &str) -> Vec<Message> {
    let queue = QueueId {
        account: Default::default(),
        name: name.parse().unwrap(),
    };
    let ask = Receive {
        queue,
        count_max: 10,
        visibility_timeout: None,
        bytes_max: usize::MAX,
        attempt: None,
    };
    let messages = fixture.context.deps.store.messages();
    let received = messages.receive(ask, fixture.context.now).await;
    received.unwrap().messages
}

#[tokio::test]
async fn a_message_is_in_every_queue_that_wants_it_when_it_is_answered() {
    let fixture = Fixture::new().await;
    create(&fixture, "orders", &[]).await.unwrap();
    for name in ["plain", "raw", "dear", "dead"] {
        fixture.make_queue(name).await;
    }
    let redrive = format!(r#"{{"deadLetterTargetArn": "{}"}}"#, to_queue("dead"));
    let policy = r#"{"price": [{"numeric": [">", 100]}]}"#;
    for (name, given) in [
        ("plain", &[][..]),
        ("raw", &[("RawMessageDelivery", "true")]),
        ("dear", &[("FilterPolicy", policy)]),
        ("gone", &[("RedrivePolicy", &redrive)]),
    ] {
        subscribe(&fixture, "orders", "sqs", &to_queue(name), given)
            .await
            .unwrap();
    }
    let price = MessageAttributeValue {
        data_type: "Number".to_owned(),
        string_value: Some("99".to_owned()),
        binary_value: None,
    };
    let input = PublishInput {
        message_attributes: Some([("price".to_owned(), price)].into()),
        subject: Some("an order".to_owned()),
        ..says("orders", "seven")
    };
    let published = publish(&fixture, input).await.unwrap();
    assert_eq!(published.sequence_number, None);
    let plain = receive(&fixture, "plain").await;
    let envelope: Value = serde_json::from_str(&plain[0].body).unwrap();
    assert_eq!(envelope["MessageId"], published.message_id.unwrap());
    assert_eq!(
        (&envelope["Message"], &envelope["Subject"]),
        (&"seven".into(), &"an order".into())
    );
    assert_eq!(envelope["MessageAttributes"]["price"]["Value"], "99");
    let raw = receive(&fixture, "raw").await;
    assert_eq!(
        (raw[0].body.as_str(), raw[0].attributes.len()),
        ("seven", 1)
    );
    assert!(receive(&fixture, "dear").await.is_empty());
    let dead = receive(&fixture, "dead").await;
    assert_eq!(dead.len(), 1);
    assert!(dead[0].attributes.contains_key("ErrorMessage"));
    assert_eq!(fixture.context.deps.fan_out.dropped(), 0);
}

#[tokio::test]
async fn each_protocol_may_be_told_something_else() {
    let fixture = Fixture::new().await;
    create(&fixture, "orders", &[]).await.unwrap();
    fixture.make_queue("q").await;
    let raw = [("RawMessageDelivery", "true")];
    subscribe(&fixture, "orders", "sqs", &to_queue("q"), &raw)
        .await
        .unwrap();
    let with = |text: &str| PublishInput {
        message_structure: Some("json".to_owned()),
        ..says("orders", text)
    };
    publish(&fixture, with(r#"{"default": "all", "sqs": "queues"}"#))
        .await
        .unwrap();
    publish(&fixture, with(r#"{"default": "all"}"#))
        .await
        .unwrap();
    let bodies = receive(&fixture, "q").await;
    let bodies: Vec<_> = bodies.iter().map(|message| message.body.as_str()).collect();
    assert_eq!(bodies, ["queues", "all"]);
    for (text, message) in [
        ("{", "JSON message body failed to parse"),
        (r#"{"sqs": "x"}"#, "No default entry in JSON message body"),
    ] {
        let message = format!("Invalid parameter: Message Structure - {message}");
        refused(
            publish(&fixture, with(text)).await,
            Exception::InvalidParameter,
            &message,
        );
    }
}

#[tokio::test]
async fn what_cannot_be_published_is_refused_in_the_words_of_aws() {
    let fixture = Fixture::new().await;
    create(&fixture, "orders", &[]).await.unwrap();
    create(&fixture, "a.fifo", &[("FifoTopic", "true")])
        .await
        .unwrap();
    let long = "x".repeat(kiln_types::limits::PUBLISHED_BYTES_MAX + 1);
    for (input, message) in [
        (says("orders", ""), "Empty message"),
        (says("orders", &long), "Message too long"),
        (
            PublishInput {
                subject: Some(String::new()),
                ..says("orders", "x")
            },
            "Subject",
        ),
        (
            says("a.fifo", "x"),
            "The MessageGroupId parameter is required for FIFO topics",
        ),
        (
            PublishInput {
                message_group_id: Some("g".to_owned()),
                ..says("a.fifo", "x")
            },
            "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
        ),
        (
            PublishInput {
                topic_arn: Some("orders".to_owned()),
                ..says("", "x")
            },
            "TopicArn Reason: An ARN must have at least 6 elements, not 1",
        ),
        (
            PublishInput {
                topic_arn: None,
                ..says("", "x")
            },
            "TopicArn or TargetArn Reason: no value for required parameter",
        ),
    ] {
        let message = format!("Invalid parameter: {message}");
        refused(
            publish(&fixture, input).await,
            Exception::InvalidParameter,
            &message,
        );
    }
    refused(
        publish(&fixture, says("none", "x")).await,
        Exception::NotFound,
        "Topic does not exist",
    );
    let attribute = MessageAttributeValue {
        data_type: "Text".to_owned(),
        string_value: Some("x".to_owned()),
        binary_value: None,
    };
    let input = PublishInput {
        message_attributes: Some([("a".to_owned(), attribute)].into()),
        ..says("orders", "x")
    };
    refused(
        publish(&fixture, input).await,
        Exception::ParameterValueInvalid,
        "The message attribute 'a' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.",
    );
}

#[tokio::test]
async fn a_fifo_topic_sends_once_what_is_published_twice_and_numbers_the_rest() {
    let mut fixture = Fixture::new().await;
    create(&fixture, "a.fifo", &[("FifoTopic", "true")])
        .await
        .unwrap();
    fixture.make_queue("q").await;
    subscribe(&fixture, "a.fifo", "sqs", &to_queue("q"), &[])
        .await
        .unwrap();
    let with = |id: &str| PublishInput {
        message_group_id: Some("g".to_owned()),
        message_deduplication_id: Some(id.to_owned()),
        ..says("a.fifo", id)
    };
    let one = publish(&fixture, with("1")).await.unwrap();
    let two = publish(&fixture, with("2")).await.unwrap();
    assert!(one.sequence_number < two.sequence_number);
    assert_eq!(publish(&fixture, with("1")).await.unwrap(), one);
    assert_eq!(receive(&fixture, "q").await.len(), 2);
    fixture.context.now = fixture.context.now + std::time::Duration::from_secs(300);
    let later = publish(&fixture, with("1")).await.unwrap();
    assert_ne!(later.message_id, one.message_id);
    assert!(later.sequence_number > two.sequence_number);
}

#[tokio::test]
async fn a_batch_is_answered_entry_by_entry() {
    let fixture = Fixture::new().await;
    create(&fixture, "orders", &[]).await.unwrap();
    fixture.make_queue("q").await;
    subscribe(&fixture, "orders", "sqs", &to_queue("q"), &[])
        .await
        .unwrap();
    let entry = |id: &str, message: &str| PublishBatchRequestEntry {
        id: id.to_owned(),
        message: message.to_owned(),
        ..Default::default()
    };
    let batch = |entries: Vec<PublishBatchRequestEntry>| PublishBatchInput {
        topic_arn: arn("orders"),
        publish_batch_request_entries: entries,
    };
    let send = |input| message::publish_batch::handle(&fixture.context, input);
    let sent = send(batch(vec![
        entry("a", "x"),
        entry("b", ""),
        entry("c", "y"),
    ]))
    .await
    .unwrap();
    let ids: Vec<_> = sent
        .successful
        .unwrap()
        .into_iter()
        .map(|one| one.id.unwrap())
        .collect();
    assert_eq!(ids, ["a", "c"]);
    let failed = sent.failed.unwrap();
    assert_eq!(
        (failed[0].id.as_str(), failed[0].code.as_str()),
        ("b", "InvalidParameter")
    );
    assert!(failed[0].sender_fault);
    assert_eq!(receive(&fixture, "q").await.len(), 2);
    let eleven = (0..11)
        .map(|number| entry(&number.to_string(), "x"))
        .collect();
    let long = "x".repeat(200_000);
    for (entries, exception) in [
        (vec![], Exception::PublishEmpty),
        (eleven, Exception::PublishTooMany),
        (
            vec![entry("a", "x"), entry("a", "y")],
            Exception::PublishIdsNotDistinct,
        ),
        (vec![entry("a:b", "x")], Exception::PublishIdInvalid),
        (
            vec![entry("a", &long), entry("b", &long)],
            Exception::PublishTooLong,
        ),
    ] {
        assert_eq!(send(batch(entries)).await.unwrap_err().exception, exception);
    }
}
