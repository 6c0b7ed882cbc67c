//! `Subscribe`: has a function, a queue or an HTTP endpoint get what is published to a topic; names the subscription of one
//! that does so already, as wanted. An endpoint is asked first, and asked again while it has not answered.
//!
//! AWS differs: an endpoint may have a public address or one that the operator lists, and in development be on this machine.
//! One that is written in digits is judged here, a name when the endpoint is asked.

use kiln_types::limits::{FIFO_SUBSCRIPTIONS_MAX, SUBSCRIPTIONS_MAX};
use kiln_types::{Confirmation, Subscriber, Subscription, SubscriptionId, TopicId};

use super::attributes;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::sns::generated::{SubscribeInput as Input, SubscribeResponse as Output};
use crate::sns::refusal::{invalid, invalid_for, not_published};
use crate::sns::topic;

/// The protocols of AWS that lead out of a server.
const ELSEWHERE: [&str; 5] = ["application", "email", "email-json", "firehose", "sms"];

/// What stands for the ARN of a subscription that is yet to be confirmed.
const UNCONFIRMED: &str = "pending confirmation";

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let live = topic::find(context, &input.topic_arn)?;
    let id = live.topic.id.clone();
    let endpoint = input.endpoint.unwrap_or_default();
    let to = subscriber(context, &id, &input.protocol, &endpoint)?;
    let given = input.attributes.unwrap_or_default();
    let mut wanted = Subscription::plain(id.clone(), to);
    if let Subscriber::Http(_) = &wanted.to {
        wanted.confirmation = Confirmation::Pending {
            token: token(),
            since: context.now,
        };
    }
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
    let mut arn = subscribed.arn(&context.config.region).to_string();
    if let Confirmation::Pending { token, .. } = &subscribed.confirmation {
        let asked = context.deps.fan_out.ask(&subscribed, token, context.now);
        asked.await.map_err(|refusal| not_published(&refusal))?;
        if input.return_subscription_arn != Some(true) {
            arn = UNCONFIRMED.to_owned();
        }
    }
    Ok(Output {
        subscription_arn: Some(arn),
    })
}

/// What an endpoint confirms by: nobody else knows it.
fn token() -> String {
    // 244 random bits.
    let halves = [SubscriptionId::random(), SubscriptionId::random()];
    halves
        .map(|half| half.to_string().replace('-', ""))
        .concat()
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
        "http" | "https" => invalid_for(
            "Endpoint",
            format_args!("must be an address that begins with {protocol}://"),
        ),
        _ if ELSEWHERE.contains(&protocol) => {
            return Err(invalid(format_args!(
                "Amazon SNS does not support this protocol string: {protocol}. Kiln delivers by http, https, lambda and sqs."
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
        Subscriber::Http(_) => (&topic.account, &context.config.region),
    };
    if *account != context.caller.account || *region != context.config.region {
        return Err(invalid_for(
            "Endpoint",
            "Kiln delivers to functions and queues of the topic's own account and region.",
        ));
    }
    if let Subscriber::Http(endpoint) = &to
        && !context.deps.fan_out.reach().may_reach(endpoint)
    {
        return Err(invalid_for(
            "Endpoint",
            "Kiln delivers to public addresses, and to those that its --network-egress lists.",
        ));
    }
    match &to {
        Subscriber::Function(_) | Subscriber::Http(_) if topic.name.is_fifo() => Err(invalid(
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
