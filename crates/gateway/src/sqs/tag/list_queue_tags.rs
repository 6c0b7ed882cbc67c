//! `ListQueueTags`: a queue's tags.

use crate::context::Context;
use crate::error::Result;
use crate::sqs::address;
use crate::sqs::generated::{ListQueueTagsRequest as Input, ListQueueTagsResult as Output};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let queue = address::queue(context, &input.queue_url)?;
    Ok(Output {
        tags: Some(queue.tags.clone()).filter(|tags| !tags.is_empty()),
    })
}
