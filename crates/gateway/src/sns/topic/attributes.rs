//! The attributes of topics: set, and shown.

use std::collections::BTreeMap;

use kiln_events::delivery_policy::DeliveryPolicy;
use kiln_store::LiveTopic;
use kiln_types::Topic;
use kiln_types::limits::TOPIC_POLICY_BYTES_MAX;

use super::policy;
use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::sns::refusal::{invalid, invalid_for};

/// Characters of the name that people are shown (API reference, `SetTopicAttributes`).
const DISPLAY_NAME_LENGTH_MAX: usize = 100;
/// What is kept and given back, and nothing is done with it.
const KEPT: [&str; 18] = [
    "ApplicationFailureFeedbackRoleArn",
    "ApplicationSuccessFeedbackRoleArn",
    "ApplicationSuccessFeedbackSampleRate",
    "FirehoseFailureFeedbackRoleArn",
    "FirehoseSuccessFeedbackRoleArn",
    "FirehoseSuccessFeedbackSampleRate",
    "HTTPFailureFeedbackRoleArn",
    "HTTPSuccessFeedbackRoleArn",
    "HTTPSuccessFeedbackSampleRate",
    "KmsMasterKeyId",
    "LambdaFailureFeedbackRoleArn",
    "LambdaSuccessFeedbackRoleArn",
    "LambdaSuccessFeedbackSampleRate",
    "SQSFailureFeedbackRoleArn",
    "SQSSuccessFeedbackRoleArn",
    "SQSSuccessFeedbackSampleRate",
    "SignatureVersion",
    "TracingConfig",
];

/// Sets an attribute. One that a topic is made with alone is not among them.
pub(super) fn set(topic: &mut Topic, name: &str, value: &str) -> Result<()> {
    match name {
        "DisplayName" => {
            if value.chars().count() > DISPLAY_NAME_LENGTH_MAX {
                return Err(invalid_for(
                    "DisplayName",
                    "Must be at most 100 characters long.",
                ));
            }
            value.clone_into(&mut topic.display_name);
        }
        "Policy" => topic.policy = read_policy(value)?,
        "DeliveryPolicy" => topic.delivery = read_delivery(value)?,
        "ArchivePolicy" => {
            return Err(ApiError::not_implemented(
                "message archives (ArchivePolicy)",
            ));
        }
        "ContentBasedDeduplication" => {
            let is_on = read_bool(name, value)?;
            fifo(topic, name)?.deduplicates_by_content = is_on;
        }
        "FifoThroughputScope" => {
            let by_group = match value {
                "Topic" => false,
                "MessageGroup" => true,
                _ => return Err(invalid(name)),
            };
            fifo(topic, name)?.deduplicates_by_group = by_group;
        }
        "SignatureVersion" if !["1", "2"].contains(&value) => return Err(invalid(name)),
        "TracingConfig" if !["PassThrough", "Active"].contains(&value) => {
            return Err(invalid(name));
        }
        _ if KEPT.contains(&name) => match value.is_empty() {
            true => drop(topic.kept.remove(name)),
            false => drop(topic.kept.insert(name.to_owned(), value.to_owned())),
        },
        _ => return Err(invalid("AttributeName")),
    }
    Ok(())
}

/// All that is told of a topic.
pub(super) fn shown(context: &Context, live: &LiveTopic) -> BTreeMap<String, String> {
    let topic = &live.topic;
    let mut shown = topic.kept.clone();
    let mut show = |name: &str, value: String| drop(shown.insert(name.to_owned(), value));
    show("TopicArn", topic.id.arn(&context.config.region).to_string());
    show("Owner", topic.id.account.to_string());
    show("DisplayName", topic.display_name.clone());
    show("Policy", policy(context, topic));
    let subscriptions = live.subscriptions.values();
    let pending = subscriptions.filter(|one| one.is_pending()).count();
    let confirmed = live.subscriptions.len() - pending;
    show("SubscriptionsConfirmed", confirmed.to_string());
    show("SubscriptionsPending", pending.to_string());
    if let Some(policy) = &topic.delivery {
        show("DeliveryPolicy", policy.clone());
    }
    show("SubscriptionsDeleted", "0".to_owned());
    if let Some(fifo) = &topic.fifo {
        show("FifoTopic", true.to_string());
        let by_content = fifo.deduplicates_by_content;
        show("ContentBasedDeduplication", by_content.to_string());
        let scope = match fifo.deduplicates_by_group {
            true => "MessageGroup",
            false => "Topic",
        };
        show("FifoThroughputScope", scope.to_owned());
    }
    shown
}

/// What is true or false.
pub(super) fn read_bool(name: &str, value: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(invalid(name)),
    }
}

fn fifo<'a>(topic: &'a mut Topic, name: &str) -> Result<&'a mut kiln_types::TopicFifo> {
    topic.fifo.as_mut().ok_or_else(|| invalid(name))
}

/// A delivery policy; an empty one is none.
fn read_delivery(text: &str) -> Result<Option<String>> {
    if text.is_empty() || text == "{}" {
        return Ok(None);
    }
    let read = DeliveryPolicy::of(Some(text), None);
    read.map_err(invalid)?;
    Ok(Some(text.to_owned()))
}

/// A policy; an empty text is none.
fn read_policy(text: &str) -> Result<Option<String>> {
    if text.is_empty() {
        return Ok(None);
    }
    let is_object = serde_json::from_str::<serde_json::Map<_, serde_json::Value>>(text).is_ok();
    if !is_object {
        return Err(invalid_for("Policy", "failed to parse JSON."));
    }
    if text.len() > TOPIC_POLICY_BYTES_MAX {
        return Err(invalid_for("Policy", "Policy is too large."));
    }
    Ok(Some(text.to_owned()))
}
