//! The attributes of subscriptions: set, and shown.

use std::collections::BTreeMap;

use kiln_events::delivery_policy::DeliveryPolicy;
use kiln_events::filter_policy::{FilterPolicy, Scope};
use kiln_types::{Confirmation, QueueArn, Subscriber, Subscription};
use serde_json::Value;

use super::{endpoint, protocol};
use crate::context::Context;
use crate::error::Result;
use crate::sns::refusal::invalid;

/// Sets attributes. The scope of a filter counts for the policy that is set with it, or is there, or is set later.
///
/// The error is what follows `Invalid parameter: ` or, where a subscription is made, `Attributes Reason: ` after it.
pub(super) fn set(
    context: &Context,
    subscription: &mut Subscription,
    given: &BTreeMap<String, String>,
) -> std::result::Result<(), String> {
    let get = |name: &str| given.get(name).map(String::as_str);
    for (name, value) in given {
        match name.as_str() {
            "RawMessageDelivery" => subscription.is_raw = raw(&subscription.to, value)?,
            "RedrivePolicy" => {
                subscription.dead_letters = dead_letters(context, subscription, value)?
            }
            "FilterPolicy" | "FilterPolicyScope" => {}
            "DeliveryPolicy" => subscription.delivery = delivery(&subscription.to, value)?,
            "SubscriptionRoleArn" => {
                subscription.kept.insert(name.clone(), value.clone());
            }
            _ => return Err("AttributeName".to_owned()),
        }
    }
    if let Some(scope) = get("FilterPolicyScope") {
        let scope: Scope = scope.parse().map_err(in_words)?;
        subscription.filters_body = scope == Scope::MessageBody;
    }
    if let Some(policy) = get("FilterPolicy") {
        let policy = Some(policy).filter(|policy| !policy.is_empty() && *policy != "{}");
        subscription.filter = policy.map(str::to_owned);
    }
    if let Some(policy) = &subscription.filter {
        FilterPolicy::parse(policy, scope(subscription)).map_err(in_words)?;
    }
    Ok(())
}

/// All that is told of a subscription.
pub(super) fn shown(context: &Context, of: &Subscription) -> BTreeMap<String, String> {
    let region = &context.config.region;
    let mut shown = of.kept.clone();
    let mut show = |name: &str, value: String| drop(shown.insert(name.to_owned(), value));
    show("SubscriptionArn", of.arn(region).to_string());
    show("TopicArn", of.topic.arn(region).to_string());
    show("Owner", of.topic.account.to_string());
    show("Protocol", protocol(&of.to).to_owned());
    show("Endpoint", endpoint(&of.to));
    let was_authenticated = match &of.confirmation {
        Confirmation::NotNeeded => true,
        Confirmation::Pending { .. } => false,
        Confirmation::Given {
            was_authenticated, ..
        } => *was_authenticated,
    };
    show(
        "ConfirmationWasAuthenticated",
        was_authenticated.to_string(),
    );
    show("PendingConfirmation", of.is_pending().to_string());
    if let Some(policy) = &of.delivery {
        show("DeliveryPolicy", policy.clone());
    }
    if let Subscriber::Http(_) = &of.to
        && let Some(live) = context.deps.store.topics().get(&of.topic)
        && let Ok(policy) =
            DeliveryPolicy::of(live.topic.delivery.as_deref(), of.delivery.as_deref())
    {
        show("EffectiveDeliveryPolicy", policy.shown());
    }
    show("RawMessageDelivery", of.is_raw.to_string());
    show("SubscriptionPrincipal", context.caller.arn.clone());
    if let Some(policy) = &of.filter {
        show("FilterPolicy", policy.clone());
        let scope = match scope(of) {
            Scope::MessageBody => "MessageBody",
            Scope::MessageAttributes => "MessageAttributes",
        };
        show("FilterPolicyScope", scope.to_owned());
    }
    if let Some(queue) = &of.dead_letters {
        let policy = serde_json::json!({"deadLetterTargetArn": queue.to_string()});
        show("RedrivePolicy", policy.to_string());
    }
    shown
}

fn raw(to: &Subscriber, value: &str) -> std::result::Result<bool, String> {
    let is_raw = match value.to_ascii_lowercase().as_str() {
        "true" => true,
        "false" => false,
        _ => {
            return Err(format!(
                "RawMessageDelivery: Invalid value [{value}]. Must be true or false."
            ));
        }
    };
    match to {
        Subscriber::Function(_) if is_raw => Err(
            "RawMessageDelivery: Delivery protocol [lambda] does not support raw message delivery."
                .to_owned(),
        ),
        _ => Ok(is_raw),
    }
}

/// How an HTTP endpoint is delivered to; an empty policy is none.
fn delivery(to: &Subscriber, policy: &str) -> std::result::Result<Option<String>, String> {
    let Subscriber::Http(_) = to else {
        return Err("DeliveryPolicy: it is about HTTP endpoints alone.".to_owned());
    };
    if policy.is_empty() || policy == "{}" {
        return Ok(None);
    }
    DeliveryPolicy::of(None, Some(policy)).map_err(in_words)?;
    Ok(Some(policy.to_owned()))
}

/// The dead-letter queue; an empty policy is none.
fn dead_letters(
    context: &Context,
    subscription: &Subscription,
    policy: &str,
) -> std::result::Result<Option<QueueArn>, String> {
    if policy.is_empty() || policy == "{}" {
        return Ok(None);
    }
    let read: Value = serde_json::from_str(policy)
        .map_err(|_| "RedrivePolicy: failed to parse JSON.".to_owned())?;
    let wrong = || "RedrivePolicy: deadLetterTargetArn is an invalid arn".to_owned();
    let arn = read["deadLetterTargetArn"].as_str().ok_or_else(wrong)?;
    let arn: QueueArn = arn.parse().map_err(|_| wrong())?;
    let is_own = arn.queue.account == context.caller.account && arn.region == context.config.region;
    let is_there = context.deps.store.messages().get(&arn.queue).is_some();
    if !is_own || !is_there {
        return Err(wrong());
    }
    match arn.queue.name.is_fifo() == subscription.topic.name.is_fifo() {
        true => Ok(Some(arn)),
        false => Err(
            "RedrivePolicy: the dead-letter queue must be of the same kind as the topic: FIFO or not"
                .to_owned(),
        ),
    }
}

/// What a filter looks at.
fn scope(of: &Subscription) -> Scope {
    match of.filters_body {
        true => Scope::MessageBody,
        false => Scope::MessageAttributes,
    }
}

fn in_words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The names of what a subscription can be given.
pub(super) fn check_name(name: &str) -> Result<()> {
    const NAMES: [&str; 6] = [
        "DeliveryPolicy",
        "FilterPolicy",
        "FilterPolicyScope",
        "RawMessageDelivery",
        "RedrivePolicy",
        "SubscriptionRoleArn",
    ];
    match NAMES.contains(&name) {
        true => Ok(()),
        false => Err(invalid("AttributeName")),
    }
}
