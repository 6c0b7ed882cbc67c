//! `AddPermission`: adds a statement to a queue's policy.

use kiln_store::messages::Settings;
use kiln_types::AccountId;
use serde_json::{Value, json};

use super::{document, has_label, one_or_many, statements};
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::sqs::address::{self, arn};
use crate::sqs::generated::AddPermissionRequest as Input;
use crate::sqs::refusal::{invalid_value, missing};

/// Actions of a statement (API reference).
const ACTIONS_MAX: usize = 7;
/// Characters of a label (API reference).
const LABEL_LENGTH_MAX: usize = 80;
/// Actions that may be given to others (API reference).
const ACTIONS: [&str; 7] = [
    "*",
    "ChangeMessageVisibility",
    "DeleteMessage",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ReceiveMessage",
    "SendMessage",
];

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let queue = address::queue(context, &input.queue_url)?;
    let queue_arn = arn(context, &queue.id).to_string();
    let label = input.label.clone();
    let statement = statement(&input, &queue_arn)?;
    let change = move |settings: &mut Settings, _: &mut _| {
        let mut policy = document(settings.policy.as_deref(), &queue_arn);
        let mut all = statements(&mut policy);
        if all.iter().any(|one| has_label(one, &label)) {
            return Err(invalid_value(&label, "Label", "Already exists."));
        }
        all.push(statement);
        policy.insert("Statement".to_owned(), all.into());
        settings.policy = Some(Value::Object(policy).to_string());
        Ok(())
    };
    let messages = context.deps.store.messages();
    messages
        .update::<ApiError>(&queue.id, change, context.now)
        .await?;
    Ok(())
}

fn statement(input: &Input, queue_arn: &str) -> Result<Value> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let fits = (1..=LABEL_LENGTH_MAX).contains(&input.label.len());
    if !fits || !input.label.bytes().all(allowed) {
        let reason =
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
        return Err(invalid_value(&input.label, "Label", reason));
    }
    if input.actions.is_empty() {
        return Err(missing("Actions"));
    }
    if input.actions.len() > ACTIONS_MAX {
        let message = format!(
            "{} Actions were found, maximum allowed is {ACTIONS_MAX}.",
            input.actions.len()
        );
        return Err(ApiError::new(Exception::OverLimit, message));
    }
    if let Some(action) = input
        .actions
        .iter()
        .find(|one| !ACTIONS.contains(&one.as_str()))
    {
        let reason = "Only the queue owner is allowed to invoke this action.";
        return Err(invalid_value(format!("SQS:{action}"), "ActionName", reason));
    }
    if input.aws_account_ids.is_empty() {
        return Err(missing("AWSAccountIds"));
    }
    let mut principals = Vec::new();
    for account in &input.aws_account_ids {
        let parsed = account.parse::<AccountId>();
        let account = parsed.map_err(|_| {
            invalid_value(format!("[{account}]"), "PrincipalId", "Unable to verify.")
        })?;
        principals.push(format!("arn:aws:iam::{account}:root"));
    }
    let actions = input
        .actions
        .iter()
        .map(|action| format!("SQS:{action}"))
        .collect();
    Ok(json!({
        "Sid": input.label,
        "Effect": "Allow",
        "Principal": {"AWS": one_or_many(principals)},
        "Action": one_or_many(actions),
        "Resource": queue_arn,
    }))
}
