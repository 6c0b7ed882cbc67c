//! `SetTopicAttributes`: sets an attribute of a topic; without a value it is as if it were never set.

use super::{attributes, id};
use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::sns::generated::SetTopicAttributesInput as Input;
use crate::sns::refusal::no_topic;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let id = id(context, "TopicArn", &input.topic_arn)?;
    let value = input.attribute_value.unwrap_or_default();
    let changed = context.deps.store.topics().put(&id, move |topic| {
        let mut topic = topic.ok_or_else(no_topic)?;
        attributes::set(&mut topic, &input.attribute_name, &value)?;
        Ok::<_, ApiError>(topic)
    });
    changed.await?;
    Ok(())
}
