//! `ListQueues`: the addresses of the account's queues, by name.

use super::page::page;
use crate::context::Context;
use crate::error::Result;
use crate::sqs::generated::{ListQueuesRequest as Input, ListQueuesResult as Output};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let mut queues = context.deps.store.messages().list(&context.caller.account);
    let prefix = input.queue_name_prefix.unwrap_or_default();
    queues.retain(|queue| queue.id.name.as_str().starts_with(&prefix));
    let (urls, next) = page(
        context,
        queues,
        input.next_token.as_deref(),
        input.max_results,
    )?;
    Ok(Output {
        queue_urls: Some(urls).filter(|urls| !urls.is_empty()),
        next_token: next,
    })
}
