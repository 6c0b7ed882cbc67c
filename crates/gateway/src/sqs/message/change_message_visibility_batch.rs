//! `ChangeMessageVisibilityBatch`: the same of up to ten messages, each for itself.

use super::change_message_visibility::{Asked, refusal};
use crate::context::Context;
use crate::error::Result;
use crate::sqs::address;
use crate::sqs::batch::{self, Sorted};
use crate::sqs::generated::{
    ChangeMessageVisibilityBatchRequest as Input,
    ChangeMessageVisibilityBatchRequestEntry as Entry,
    ChangeMessageVisibilityBatchResult as Output, ChangeMessageVisibilityBatchResultEntry,
};
use crate::sqs::refusal::missing;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let queue = address::queue(context, &input.queue_url)?;
    let ids = input.entries.iter().map(|entry| entry.id.as_str());
    batch::check("ChangeMessageVisibilityBatch", ids)?;
    let read = |entry: Entry| {
        let timeout_secs = entry
            .visibility_timeout
            .ok_or_else(|| missing("VisibilityTimeout"))?;
        Asked::read(entry.receipt_handle, timeout_secs)
    };
    let Sorted { right, mut failed } = Sorted::read(input.entries, |entry| entry.id.clone(), read);
    let changes = right
        .iter()
        .map(|(_, asked)| (asked.handle.receipt, asked.timeout))
        .collect();
    let messages = context.deps.store.messages();
    let changed = messages
        .change_visibility(&queue.id, changes, context.now)
        .await?;
    let mut successful = Vec::new();
    for ((id, asked), told) in right.into_iter().zip(changed) {
        match refusal(told, &asked) {
            None => successful.push(ChangeMessageVisibilityBatchResultEntry { id }),
            Some(error) => failed.push(batch::failed(id, &error)),
        }
    }
    Ok(Output { successful, failed })
}
