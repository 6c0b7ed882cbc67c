//! `DeleteTopic`: forgets a topic and its subscriptions. There may be none.

use super::id;
use crate::context::Context;
use crate::error::Result;
use crate::sns::generated::DeleteTopicInput as Input;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let id = id(context, "TopicArn", &input.topic_arn)?;
    context.deps.store.topics().remove(&id).await?;
    Ok(())
}
