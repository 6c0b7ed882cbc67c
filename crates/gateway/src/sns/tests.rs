//! Operations on topics, subscriptions and messages, together.

use std::collections::BTreeMap;

use serde_json::Value;

use super::generated::*;
use super::*;
use crate::error::{ApiError, Exception};
use crate::lambda::fixture::Fixture;

mod messages;

fn arn(name: &str) -> String {
    format!("arn:aws:sns:us-east-1:000000000000:{name}")
}

fn to_queue(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{name}")
}

fn pairs(all: &[(&str, &str)]) -> Option<BTreeMap<String, String>> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Some(all.iter().map(owned).collect())
}

async fn create(fixture: &Fixture, name: &str, given: &[(&str, &str)]) -> Result<String> {
    let input = CreateTopicInput {
        name: name.to_owned(),
        attributes: pairs(given),
        ..Default::default()
    };
    let made = topic::create_topic::handle(&fixture.context, input).await?;
    Ok(made.topic_arn.unwrap())
}

async fn subscribe(
    fixture: &Fixture,
    topic: &str,
    protocol: &str,
    endpoint: &str,
    given: &[(&str, &str)],
) -> Result<String> {
    let input = SubscribeInput {
        topic_arn: arn(topic),
        protocol: protocol.to_owned(),
        endpoint: Some(endpoint.to_owned()),
        attributes: pairs(given),
        ..Default::default()
    };
    let made = subscription::subscribe::handle(&fixture.context, input).await?;
    Ok(made.subscription_arn.unwrap())
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T>, exception: Exception, message: &str) {
    let error: ApiError = result.unwrap_err();
    assert_eq!(
        (error.exception, error.message.as_ref()),
        (exception, message)
    );
}

#[tokio::test]
async fn a_topic_is_made_once_and_is_what_it_was_made_as() {
    let fixture = Fixture::new().await;
    let shown = [("DisplayName", "Orders")];
    assert_eq!(
        create(&fixture, "orders", &shown).await.unwrap(),
        arn("orders")
    );
    for same in [&[][..], &shown] {
        assert_eq!(
            create(&fixture, "orders", same).await.unwrap(),
            arn("orders")
        );
    }
    refused(
        create(&fixture, "orders", &[("DisplayName", "other")]).await,
        Exception::InvalidParameter,
        "Invalid parameter: Attributes Reason: Topic already exists with different attributes",
    );
    for (name, given) in [("a b", &[][..]), ("a.fifo", &[]), ("", &[])] {
        let made = create(&fixture, name, given).await;
        refused(
            made,
            Exception::InvalidParameter,
            "Invalid parameter: Topic Name",
        );
    }
    let fifo = create(&fixture, "a", &[("FifoTopic", "true")])
        .await
        .unwrap_err();
    assert!(
        fifo.message.contains("must end with .fifo"),
        "{}",
        fifo.message
    );
    let fifo = [("FifoTopic", "true"), ("ContentBasedDeduplication", "true")];
    create(&fixture, "a.fifo", &fifo).await.unwrap();
    let input = GetTopicAttributesInput {
        topic_arn: arn("a.fifo"),
    };
    let shown = topic::get_topic_attributes::handle(&fixture.context, input).await;
    let shown = shown.unwrap().attributes.unwrap();
    assert_eq!(shown["ContentBasedDeduplication"], "true");
    assert_eq!(shown["SubscriptionsConfirmed"], "0");
    let policy: Value = serde_json::from_str(&shown["Policy"]).unwrap();
    assert_eq!(policy["Statement"][0]["Resource"], arn("a.fifo"));
}

#[tokio::test]
async fn who_cannot_be_reached_cannot_subscribe() {
    let fixture = Fixture::new().await;
    create(&fixture, "orders", &[]).await.unwrap();
    create(&fixture, "a.fifo", &[("FifoTopic", "true")])
        .await
        .unwrap();
    let function = "arn:aws:lambda:us-east-1:000000000000:function:sum";
    let invalid = |message: &str| format!("Invalid parameter: {message}");
    for (topic, protocol, endpoint, message) in [
        (
            "orders",
            "email",
            "a@example.com",
            "Amazon SNS does not support this protocol string: email. Kiln delivers by http, https, lambda and sqs.",
        ),
        (
            "orders",
            "https",
            "http://example.com",
            "Endpoint Reason: must be an address that begins with https://",
        ),
        (
            "orders",
            "http",
            "http://127.0.0.1:4566/",
            "Endpoint Reason: Kiln delivers to public addresses, and to those that its --network-egress lists.",
        ),
        (
            "a.fifo",
            "http",
            "http://example.com",
            "Invalid parameter: Endpoint Reason: Please use FIFO SQS queue",
        ),
        (
            "orders",
            "pigeon",
            "x",
            "Amazon SNS does not support this protocol string: pigeon",
        ),
        ("orders", "sqs", "x", "SQS endpoint ARN"),
        ("orders", "sqs", function, "SQS endpoint ARN"),
        ("orders", "lambda", "x", "Lambda endpoint ARN"),
        (
            "orders",
            "sqs",
            &to_queue("q.fifo"),
            "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics",
        ),
        (
            "a.fifo",
            "lambda",
            function,
            "Invalid parameter: Endpoint Reason: Please use FIFO SQS queue",
        ),
    ] {
        let made = subscribe(&fixture, topic, protocol, endpoint, &[]).await;
        refused(made, Exception::InvalidParameter, &invalid(message));
    }
    let made = subscribe(&fixture, "none", "lambda", function, &[]).await;
    refused(made, Exception::NotFound, "Topic does not exist");
    for (given, message) in [
        (
            ("RawMessageDelivery", "yes"),
            "Attributes Reason: RawMessageDelivery: Invalid value [yes]. Must be true or false.",
        ),
        (
            ("RedrivePolicy", "{"),
            "Attributes Reason: RedrivePolicy: failed to parse JSON.",
        ),
        (
            ("FilterPolicyScope", "x"),
            "Attributes Reason: FilterPolicyScope: Invalid value [x]. Please use either MessageBody or MessageAttributes",
        ),
    ] {
        let made = subscribe(&fixture, "orders", "sqs", &to_queue("q"), &[given]).await;
        refused(made, Exception::InvalidParameter, &invalid(message));
    }
}

#[tokio::test]
async fn a_subscriber_subscribes_once() {
    let fixture = Fixture::new().await;
    create(&fixture, "orders", &[]).await.unwrap();
    let raw = [("RawMessageDelivery", "true")];
    let one = subscribe(&fixture, "orders", "sqs", &to_queue("q"), &raw)
        .await
        .unwrap();
    let again = subscribe(&fixture, "orders", "sqs", &to_queue("q"), &raw).await;
    assert_eq!(again.unwrap(), one);
    refused(
        subscribe(
            &fixture,
            "orders",
            "sqs",
            &to_queue("q"),
            &[("RawMessageDelivery", "false")],
        )
        .await,
        Exception::InvalidParameter,
        "Invalid parameter: Attributes Reason: Subscription already exists with different attributes",
    );
    let set = |name: &str, value: &str| SetSubscriptionAttributesInput {
        subscription_arn: one.clone(),
        attribute_name: name.to_owned(),
        attribute_value: Some(value.to_owned()),
    };
    for (name, value) in [
        ("FilterPolicyScope", "MessageBody"),
        ("FilterPolicy", r#"{"a": {"b": ["c"]}}"#),
    ] {
        let input = set(name, value);
        let changed = subscription::set_subscription_attributes::handle(&fixture.context, input);
        changed.await.unwrap();
    }
    let gone = UnsubscribeInput {
        subscription_arn: one.clone(),
    };
    for _ in 0..2 {
        let gone = subscription::unsubscribe::handle(&fixture.context, gone.clone());
        gone.await.unwrap();
    }
    let input = GetSubscriptionAttributesInput {
        subscription_arn: one,
    };
    let shown = subscription::get_subscription_attributes::handle(&fixture.context, input).await;
    refused(shown, Exception::NotFound, "Subscription does not exist");
}

#[tokio::test]
async fn a_statement_of_a_policy_comes_and_goes_by_its_label() {
    let fixture = Fixture::new().await;
    create(&fixture, "orders", &[]).await.unwrap();
    let add = || AddPermissionInput {
        topic_arn: arn("orders"),
        label: "other".to_owned(),
        aws_account_id: vec!["123456789012".to_owned()],
        action_name: vec!["Publish".to_owned()],
    };
    let statements = async || {
        let live = topic::find(&fixture.context, &arn("orders")).unwrap();
        let policy = topic::policy(&fixture.context, &live.topic);
        let policy: Value = serde_json::from_str(&policy).unwrap();
        policy["Statement"].as_array().unwrap().len()
    };
    permission::add_permission::handle(&fixture.context, add())
        .await
        .unwrap();
    assert_eq!(statements().await, 2);
    refused(
        permission::add_permission::handle(&fixture.context, add()).await,
        Exception::InvalidParameter,
        "Invalid parameter: Statement already exists",
    );
    let remove = RemovePermissionInput {
        topic_arn: arn("orders"),
        label: "other".to_owned(),
    };
    permission::remove_permission::handle(&fixture.context, remove)
        .await
        .unwrap();
    assert_eq!(statements().await, 1);
}
