//! `RemovePermission`: takes a statement away from a queue's policy.

use kiln_store::messages::Settings;
use serde_json::Value;

use super::{document, has_label, statements};
use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::sqs::address::{self, arn};
use crate::sqs::generated::RemovePermissionRequest as Input;
use crate::sqs::refusal::invalid_value;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let queue = address::queue(context, &input.queue_url)?;
    let queue_arn = arn(context, &queue.id).to_string();
    let label = input.label;
    let change = move |settings: &mut Settings, _: &mut _| {
        let mut policy = document(settings.policy.as_deref(), &queue_arn);
        let mut all = statements(&mut policy);
        let before = all.len();
        all.retain(|one| !has_label(one, &label));
        if all.len() == before {
            return Err(invalid_value(&label, "Label", "can't find label."));
        }
        settings.policy = match all.is_empty() {
            true => None,
            false => {
                policy.insert("Statement".to_owned(), all.into());
                Some(Value::Object(policy).to_string())
            }
        };
        Ok(())
    };
    let messages = context.deps.store.messages();
    messages
        .update::<ApiError>(&queue.id, change, context.now)
        .await?;
    Ok(())
}
