//! `Subscribe`: has a function or a queue get what is published to a topic; names the subscription of one that does so
//! already, as wanted.

use kiln_types::limits::{FIFO_SUBSCRIPTIONS_MAX, SUBSCRIPTIONS_MAX};
use kiln_types::{Subscriber, Subscription, SubscriptionId, TopicId};

use super::attributes;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::sns::generated::{SubscribeInput as Input, SubscribeResponse as Output};
use crate::sns::refusal::{invalid, invalid_for};
use crate::sns::topic;

/// The protocols of AWS that lead out of a server.
const ELSEWHERE: [&str; 7] = [
    "application",
    "email",
    "email-json",
    "firehose",
    "http",
    "https",
    "sms",
];

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let live = topic::find(context, &input.topic_arn)?;
    let id = live.topic.id.clone();
    let endpoint = input.endpoint.unwrap_or_default();
    let to = subscriber(context, &id, &input.protocol, &endpoint)?;
    let given = input.attributes.unwrap_or_default();
    let mut wanted = Subscription {
        id: SubscriptionId::random(),
        topic: id.clone(),
        to,
        is_raw: false,
        filter: None,
        filters_body: false,
        dead_letters: None,
        kept: Default::default(),
    };
    let refused = |reason: String| match reason.as_str() {
        "AttributeName" => invalid_for("Attributes", "Unknown attribute"),
        _ => invalid_for("Attributes", reason),
    };
    attributes::set(context, &mut wanted, &given).map_err(refused)?;
    let around = context.clone();
    let subscribed = context.deps.store.topics().subscribe(&id, move |all| {
        let Some(present) = all.iter().find(|one| one.to == wanted.to) else {
            check_count(&wanted.topic, all.len())?;
            return Ok(wanted);
        };
        let mut as_wanted = present.clone();
        attributes::set(&around, &mut as_wanted, &given).map_err(refused)?;
        match as_wanted == *present {
            true => Ok(as_wanted),
            false => Err(invalid_for(
                "Attributes",
                "Subscription already exists with different attributes",
            )),
        }
    });
    let subscribed = subscribed.await?;
    Ok(Output {
        subscription_arn: Some(subscribed.arn(&context.config.region).to_string()),
    })
}

/// Who subscribes, if it is there.
fn subscriber(
    context: &Context,
    topic: &TopicId,
    protocol: &str,
    endpoint: &str,
) -> Result<Subscriber> {
    let wrong = match protocol {
        "lambda" => invalid("Lambda endpoint ARN"),
        "sqs" => invalid("SQS endpoint ARN"),
        _ if ELSEWHERE.contains(&protocol) => {
            return Err(invalid(format_args!(
                "Amazon SNS does not support this protocol string: {protocol}. Kiln delivers by lambda and sqs."
            )));
        }
        _ => {
            return Err(invalid(format_args!(
                "Amazon SNS does not support this protocol string: {protocol}"
            )));
        }
    };
    let to: Subscriber = endpoint.parse().map_err(|_| wrong.clone())?;
    if super::protocol(&to) != protocol {
        return Err(wrong);
    }
    let (account, region) = match &to {
        Subscriber::Function(arn) => (&arn.account, &arn.region),
        Subscriber::Queue(arn) => (&arn.queue.account, &arn.region),
    };
    if *account != context.caller.account || *region != context.config.region {
        return Err(invalid_for(
            "Endpoint",
            "Kiln delivers to functions and queues of the topic's own account and region.",
        ));
    }
    match &to {
        Subscriber::Function(_) if topic.name.is_fifo() => Err(invalid(
            "Invalid parameter: Endpoint Reason: Please use FIFO SQS queue",
        )),
        Subscriber::Queue(arn) if arn.queue.name.is_fifo() && !topic.name.is_fifo() => {
            Err(invalid(
                "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics",
            ))
        }
        _ => Ok(to),
    }
}

fn check_count(topic: &TopicId, count: usize) -> Result<()> {
    let max = match topic.name.is_fifo() {
        true => FIFO_SUBSCRIPTIONS_MAX,
        false => SUBSCRIPTIONS_MAX,
    };
    if count < max {
        return Ok(());
    }
    let message = format!("Subscription limit exceeded: a topic has {max} at most");
    Err(ApiError::new(Exception::SubscriptionLimitExceeded, message))
}
