//! Operations on topics.

use std::sync::Arc;

use kiln_store::LiveTopic;
use kiln_types::{Topic, TopicArn, TopicId};
use serde_json::{Value, json};

use super::refusal::{bad_arn, invalid, no_topic};
use crate::context::Context;
use crate::error::Result;

pub(super) mod attributes;
pub(super) mod create_topic;
pub(super) mod delete_topic;
pub(super) mod get_topic_attributes;
pub(super) mod list_topics;
pub(super) mod set_topic_attributes;

/// Which topic an ARN means: one of the caller's own.
pub(super) fn id(context: &Context, parameter: &str, arn: &str) -> Result<TopicId> {
    let arn: TopicArn = arn.parse().map_err(|_| bad_arn(parameter, arn))?;
    if arn.region != context.config.region {
        return Err(invalid(parameter));
    }
    match arn.topic.account == context.caller.account {
        true => Ok(arn.topic),
        false => Err(no_topic()),
    }
}

/// The topic with an ARN.
pub(super) fn find(context: &Context, arn: &str) -> Result<Arc<LiveTopic>> {
    let id = id(context, "TopicArn", arn)?;
    context.deps.store.topics().get(&id).ok_or_else(no_topic)
}

/// A topic's policy; who was given none lets its owner do everything.
pub(super) fn policy(context: &Context, topic: &Topic) -> String {
    topic.policy.clone().unwrap_or_else(|| {
        let arn = topic.id.arn(&context.config.region).to_string();
        default_policy(&arn, topic.id.account.as_str()).to_string()
    })
}

/// The actions of a topic's owner, as AWS's policy of a new topic has them.
const OWN_ACTIONS: [&str; 8] = [
    "SNS:GetTopicAttributes",
    "SNS:SetTopicAttributes",
    "SNS:AddPermission",
    "SNS:RemovePermission",
    "SNS:DeleteTopic",
    "SNS:Subscribe",
    "SNS:ListSubscriptionsByTopic",
    "SNS:Publish",
];

fn default_policy(arn: &str, account: &str) -> Value {
    json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": OWN_ACTIONS,
            "Resource": arn,
            "Condition": {"StringEquals": {"AWS:SourceOwner": account}},
        }],
    })
}
