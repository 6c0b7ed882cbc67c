//! Operations on subscriptions.

use std::sync::Arc;

use kiln_store::LiveTopic;
use kiln_types::{Subscriber, Subscription, SubscriptionArn};

use super::generated as wire;
use super::refusal::{bad_arn, invalid, no_subscription};
use crate::context::Context;
use crate::error::Result;
use crate::page;

pub(super) mod attributes;
pub(super) mod confirm_subscription;
pub(super) mod get_subscription_attributes;
pub(super) mod list_subscriptions;
pub(super) mod list_subscriptions_by_topic;
pub(super) mod set_subscription_attributes;
pub(super) mod subscribe;
pub(super) mod unsubscribe;

/// What stands for the ARN of a subscription that is not confirmed, in lists.
const PENDING_CONFIRMATION: &str = "PendingConfirmation";

/// Which subscription an ARN means.
fn arn(context: &Context, text: &str) -> Result<SubscriptionArn> {
    let parameter = "SubscriptionArn";
    let arn: SubscriptionArn = text.parse().map_err(|_| bad_arn(parameter, text))?;
    if arn.topic.region != context.config.region {
        return Err(invalid(parameter));
    }
    match arn.topic.topic.account == context.caller.account {
        true => Ok(arn),
        false => Err(no_subscription()),
    }
}

/// The subscription with an ARN.
fn find(context: &Context, text: &str) -> Result<Arc<Subscription>> {
    let arn = arn(context, text)?;
    let live = context.deps.store.topics().get(&arn.topic.topic);
    let found = live.and_then(|live| live.subscriptions.get(&arn.id).cloned());
    found.ok_or_else(no_subscription)
}

/// The protocol that reaches a subscriber.
fn protocol(to: &Subscriber) -> &'static str {
    match to {
        Subscriber::Function(_) => "lambda",
        Subscriber::Queue(_) => "sqs",
        Subscriber::Http(endpoint) if endpoint.is_secure() => "https",
        Subscriber::Http(_) => "http",
    }
}

/// Where a subscriber is, without its password.
fn endpoint(to: &Subscriber) -> String {
    match to {
        Subscriber::Http(endpoint) => endpoint.shown(),
        other => other.to_string(),
    }
}

/// A page of the subscriptions of topics, and where the next begins.
fn page_of(
    context: &Context,
    topics: &[Arc<LiveTopic>],
    token: Option<&str>,
) -> Result<(Vec<wire::Subscription>, Option<String>)> {
    let region = &context.config.region;
    let all = topics.iter().flat_map(|live| live.subscriptions.values());
    let mut named: Vec<_> = all.map(|one| (one.arn(region).to_string(), one)).collect();
    named.sort_by(|(one, _), (other, _)| one.cmp(other));
    let size = super::topic::list_topics::PAGE_MAX;
    let page = page::page(named, |(arn, _)| arn, token, size);
    let page = page.map_err(|_| invalid("NextToken"))?;
    let shown = |(arn, one): (String, &Arc<Subscription>)| wire::Subscription {
        subscription_arn: Some(match one.is_pending() {
            true => PENDING_CONFIRMATION.to_owned(),
            false => arn,
        }),
        owner: Some(one.topic.account.to_string()),
        protocol: Some(protocol(&one.to).to_owned()),
        endpoint: Some(endpoint(&one.to)),
        topic_arn: Some(one.topic.arn(region).to_string()),
    };
    let items = page.items.into_iter().map(shown).collect();
    Ok((items, page.next_marker))
}
