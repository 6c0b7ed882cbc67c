//! `AddPermission`: adds a statement to a topic's policy.

use kiln_types::AccountId;
use kiln_types::limits::TOPIC_POLICY_BYTES_MAX;
use serde_json::{Value, json};

use super::{has_label, take_statements};
use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::sns::generated::AddPermissionInput as Input;
use crate::sns::refusal::{invalid, invalid_for, no_topic};
use crate::sns::topic;

/// Actions that may be given to others (developer guide, "Amazon SNS policy actions").
const ACTIONS: [&str; 10] = [
    "*",
    "AddPermission",
    "DeleteTopic",
    "GetTopicAttributes",
    "ListSubscriptionsByTopic",
    "Publish",
    "Receive",
    "RemovePermission",
    "SetTopicAttributes",
    "Subscribe",
];

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let live = topic::find(context, &input.topic_arn)?;
    let id = live.topic.id.clone();
    let statement = statement(&input)?;
    // Of a topic that was given none.
    let default = topic::policy(context, &live.topic);
    let changed = context.deps.store.topics().put(&id, move |topic| {
        let mut topic = topic.ok_or_else(no_topic)?;
        let text = topic.policy.take().unwrap_or(default);
        let policy: Value = serde_json::from_str(&text).unwrap_or_default();
        let Value::Object(mut policy) = policy else {
            return Err(invalid("Policy"));
        };
        let mut all = take_statements(&mut policy);
        if all.iter().any(|one| has_label(one, &input.label)) {
            return Err(invalid("Statement already exists"));
        }
        all.push(statement);
        policy.insert("Statement".to_owned(), all.into());
        let text = Value::Object(policy).to_string();
        if text.len() > TOPIC_POLICY_BYTES_MAX {
            return Err(invalid_for("Policy", "Policy is too large."));
        }
        topic.policy = Some(text);
        Ok::<_, ApiError>(topic)
    });
    changed.await?;
    Ok(())
}

fn statement(input: &Input) -> Result<Value> {
    if input.action_name.is_empty() || input.aws_account_id.is_empty() {
        return Err(invalid("Policy statement must have actions and accounts"));
    }
    let known = |action: &&String| !ACTIONS.contains(&action.as_str());
    if let Some(action) = input.action_name.iter().find(known) {
        return Err(invalid_for(
            "Policy statement action out of service scope!",
            action,
        ));
    }
    let mut principals = Vec::new();
    for account in &input.aws_account_id {
        let parsed: std::result::Result<AccountId, _> = account.parse();
        let account = parsed.map_err(|_| invalid("AWSAccountId"))?;
        principals.push(format!("arn:aws:iam::{account}:root"));
    }
    let actions = input.action_name.iter();
    let actions: Vec<String> = actions.map(|action| format!("SNS:{action}")).collect();
    Ok(json!({
        "Sid": input.label,
        "Effect": "Allow",
        "Principal": {"AWS": principals},
        "Action": actions,
        "Resource": input.topic_arn,
    }))
}
