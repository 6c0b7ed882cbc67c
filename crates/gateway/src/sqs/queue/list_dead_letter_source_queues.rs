//! `ListDeadLetterSourceQueues`: the queues whose dead letters go to a queue.

use super::page::page;
use crate::context::Context;
use crate::error::Result;
use crate::sqs::address;
use crate::sqs::generated::{
    ListDeadLetterSourceQueuesRequest as Input, ListDeadLetterSourceQueuesResult as Output,
};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let queue = address::queue(context, &input.queue_url)?;
    let sources = context.deps.store.messages().sources(&queue.id);
    let (urls, next) = page(
        context,
        sources,
        input.next_token.as_deref(),
        input.max_results,
    )?;
    Ok(Output {
        queue_urls: urls,
        next_token: next,
    })
}
