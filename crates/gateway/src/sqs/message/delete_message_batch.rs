//! `DeleteMessageBatch`: removes up to ten messages that were handled, each for itself.

use super::delete_message::refusal;
use super::receipt::Handle;
use crate::context::Context;
use crate::error::Result;
use crate::sqs::address;
use crate::sqs::batch::{self, Sorted};
use crate::sqs::generated::{
    DeleteMessageBatchRequest as Input, DeleteMessageBatchRequestEntry as Entry,
    DeleteMessageBatchResult as Output, DeleteMessageBatchResultEntry,
};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let queue = address::queue(context, &input.queue_url)?;
    batch::check(
        "DeleteMessageBatch",
        input.entries.iter().map(|entry| entry.id.as_str()),
    )?;
    let read = |entry: Entry| Handle::read(entry.receipt_handle);
    let Sorted { right, mut failed } = Sorted::read(input.entries, |entry| entry.id.clone(), read);
    let receipts = right.iter().map(|(_, handle)| handle.receipt).collect();
    let messages = context.deps.store.messages();
    let deleted = messages.delete(&queue.id, receipts, context.now).await?;
    let mut successful = Vec::new();
    for ((id, handle), told) in right.into_iter().zip(deleted) {
        match refusal(told, &handle) {
            None => successful.push(DeleteMessageBatchResultEntry { id }),
            Some(error) => failed.push(batch::failed(id, &error)),
        }
    }
    Ok(Output { successful, failed })
}
