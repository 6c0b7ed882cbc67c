//! `TagQueue`: adds tags to a queue, in the place of those that have the same keys.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::sqs::generated::TagQueueRequest as Input;
use crate::sqs::{address, tag};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let queue = address::queue(context, &input.queue_url)?;
    let (id, added) = (queue.id.clone(), input.tags);
    let change = move |_: &mut _, tags: &mut BTreeMap<String, String>| {
        tags.extend(added);
        tag::check(&id, tags)
    };
    let messages = context.deps.store.messages();
    messages
        .update::<ApiError>(&queue.id, change, context.now)
        .await?;
    Ok(())
}
