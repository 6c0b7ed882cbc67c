//! `RemovePermission`: takes a statement out of a topic's policy. There may be none.

use serde_json::Value;

use super::{has_label, take_statements};
use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::sns::generated::RemovePermissionInput as Input;
use crate::sns::refusal::no_topic;
use crate::sns::topic;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let id = topic::id(context, "TopicArn", &input.topic_arn)?;
    let changed = context.deps.store.topics().put(&id, move |topic| {
        let mut topic = topic.ok_or_else(no_topic)?;
        let policy = topic.policy.as_deref();
        let policy = policy.and_then(|text| serde_json::from_str(text).ok());
        if let Some(Value::Object(mut policy)) = policy {
            let mut all = take_statements(&mut policy);
            all.retain(|one| !has_label(one, &input.label));
            policy.insert("Statement".to_owned(), all.into());
            topic.policy = Some(Value::Object(policy).to_string());
        }
        Ok::<_, ApiError>(topic)
    });
    changed.await?;
    Ok(())
}
