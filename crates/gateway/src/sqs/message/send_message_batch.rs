//! `SendMessageBatch`: puts up to ten messages into a queue, each for itself.

use kiln_store::messages::{MessageQueue, Refusal, SendError};
use kiln_types::limits::MESSAGE_BYTES_MAX;

use super::draft::{Draft, sequence_number_of};
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::sqs::address;
use crate::sqs::batch::{self, Sorted};
use crate::sqs::generated::{
    SendMessageBatchRequest as Input, SendMessageBatchRequestEntry as Entry,
    SendMessageBatchResult as Output, SendMessageBatchResultEntry,
};
use crate::sqs::refusal::invalid;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let queue = address::queue(context, &input.queue_url)?;
    batch::check(
        "SendMessageBatch",
        input.entries.iter().map(|entry| entry.id.as_str()),
    )?;
    check_size(&input.entries)?;
    check_order(&queue, &input.entries)?;
    let read = |entry: Entry| Draft::from(entry).message(context, &queue);
    let Sorted { right, mut failed } = Sorted::read(input.entries, |entry| entry.id.clone(), read);
    let (mut ids, mut messages, mut all_digests) = (Vec::new(), Vec::new(), Vec::new());
    for (id, (message, digests)) in right {
        ids.push(id);
        messages.push(message);
        all_digests.push(digests);
    }
    let sent = context
        .deps
        .store
        .messages()
        .send(messages, context.now)
        .await?;
    let mut successful = Vec::new();
    for ((id, digests), sent) in ids.into_iter().zip(all_digests).zip(sent) {
        match sent {
            Ok(sent) => successful.push(SendMessageBatchResultEntry {
                id,
                sequence_number: sequence_number_of(&sent),
                message_id: sent.id.to_string(),
                md5_of_message_body: digests.body,
                md5_of_message_attributes: digests.attributes,
                md5_of_message_system_attributes: digests.system_attributes,
            }),
            Err(error @ SendError::Refused(Refusal::NoQueue(_))) => return Err(error.into()),
            Err(error) => failed.push(batch::failed(id, &error.into())),
        }
    }
    Ok(Output { successful, failed })
}

/// Together they may be as large as one may be.
fn check_size(entries: &[Entry]) -> Result<()> {
    let size = |entry: &Entry| {
        let attributes = entry.message_attributes.iter().flatten();
        let attributes = attributes.map(|(name, value)| {
            let string = value.string_value.as_ref().map_or(0, String::len);
            let binary = value.binary_value.as_ref().map_or(0, bytes::Bytes::len);
            name.len() + value.data_type.len() + string + binary
        });
        entry.message_body.len() + attributes.sum::<usize>()
    };
    let bytes: usize = entries.iter().map(size).sum();
    if bytes <= MESSAGE_BYTES_MAX {
        return Ok(());
    }
    let message = format!(
        "Batch requests cannot be longer than {MESSAGE_BYTES_MAX} bytes. You have sent {bytes} bytes."
    );
    Err(ApiError::new(Exception::BatchRequestTooLong, message))
}

/// What a FIFO queue must know of every message is refused for all of them when it is missing of one.
fn check_order(queue: &MessageQueue, entries: &[Entry]) -> Result<()> {
    let Some(fifo) = &queue.settings.fifo else {
        return Ok(());
    };
    if entries.iter().any(|entry| entry.message_group_id.is_none()) {
        return Err(invalid(
            "The request must contain the parameter MessageGroupId.",
        ));
    }
    let is_unknown = |entry: &Entry| entry.message_deduplication_id.is_none();
    if !fifo.deduplicates_by_content && entries.iter().any(is_unknown) {
        return Err(SendError::Refused(Refusal::NoDeduplication).into());
    }
    Ok(())
}
