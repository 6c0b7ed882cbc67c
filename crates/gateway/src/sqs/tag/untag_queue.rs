//! `UntagQueue`: takes tags away from a queue.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::sqs::address;
use crate::sqs::generated::UntagQueueRequest as Input;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let queue = address::queue(context, &input.queue_url)?;
    let keys = input.tag_keys;
    let change = move |_: &mut _, tags: &mut BTreeMap<String, String>| {
        tags.retain(|key, _| !keys.contains(key));
        Ok(())
    };
    let messages = context.deps.store.messages();
    messages
        .update::<ApiError>(&queue.id, change, context.now)
        .await?;
    Ok(())
}
