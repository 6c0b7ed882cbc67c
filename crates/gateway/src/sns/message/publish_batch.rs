//! `PublishBatch`: publishes up to ten messages to a topic, each for itself.

use std::collections::HashSet;

use kiln_invoke::fan_out::sequence_number;
use kiln_types::limits::PUBLISHED_BYTES_MAX;

use super::draft::Draft;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::sns::generated::{
    BatchResultErrorEntry, PublishBatchInput as Input, PublishBatchRequestEntry as Entry,
    PublishBatchResponse as Output, PublishBatchResultEntry,
};
use crate::sns::refusal::not_published;
use crate::sns::topic;
use crate::wire::fault;

/// Entries of a batch (API reference).
const ENTRIES_MAX: usize = 10;
/// Characters of an entry's id (API reference).
const ID_LENGTH_MAX: usize = 80;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let live = topic::find(context, &input.topic_arn)?;
    let entries = input.publish_batch_request_entries;
    check(&entries)?;
    let (mut ids, mut notices, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for entry in entries {
        let id = entry.id.clone();
        match Draft::from(entry).notice(context, &live.topic) {
            Ok(notice) => {
                ids.push(id);
                notices.push(notice);
            }
            Err(error) => failed.push(not_taken(id, &error)),
        }
    }
    let published = context
        .deps
        .fan_out
        .notify(&live.topic.id, notices, context.now);
    let mut successful = Vec::new();
    for (id, published) in ids.into_iter().zip(published.await) {
        match published {
            Ok(noticed) => successful.push(PublishBatchResultEntry {
                id: Some(id),
                message_id: Some(noticed.id.to_string()),
                sequence_number: noticed.number.map(sequence_number),
            }),
            Err(refusal) => failed.push(not_taken(id, &not_published(&refusal))),
        }
    }
    Ok(Output {
        successful: Some(successful),
        failed: Some(failed),
    })
}

/// What refuses all of a batch.
fn check(entries: &[Entry]) -> Result<()> {
    let refused = |exception, message: &'static str| Err(ApiError::new(exception, message));
    if entries.is_empty() {
        let message = "The batch request doesn't contain any entries.";
        return refused(Exception::PublishEmpty, message);
    }
    if entries.len() > ENTRIES_MAX {
        let message = "The batch request contains more entries than permissible.";
        return refused(Exception::PublishTooMany, message);
    }
    let mut seen = HashSet::new();
    for Entry { id, .. } in entries {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(1..=ID_LENGTH_MAX).contains(&id.len()) || !id.bytes().all(allowed) {
            let message =
                "The Id of a batch entry in a batch request doesn't abide by the specification.";
            return refused(Exception::PublishIdInvalid, message);
        }
        if !seen.insert(id) {
            let message = "Two or more batch entries in the request have the same Id.";
            return refused(Exception::PublishIdsNotDistinct, message);
        }
    }
    if entries.iter().map(size).sum::<usize>() > PUBLISHED_BYTES_MAX {
        let message = "The length of all the messages put together is more than the limit.";
        return refused(Exception::PublishTooLong, message);
    }
    Ok(())
}

fn size(entry: &Entry) -> usize {
    let attributes = entry.message_attributes.iter().flatten();
    let attributes = attributes.map(|(name, value)| {
        let string = value.string_value.as_ref().map_or(0, String::len);
        let binary = value.binary_value.as_ref().map_or(0, bytes::Bytes::len);
        name.len() + value.data_type.len() + string + binary
    });
    entry.message.len() + attributes.sum::<usize>()
}

fn not_taken(id: String, error: &ApiError) -> BatchResultErrorEntry {
    BatchResultErrorEntry {
        id,
        code: fault::entry_code(error.exception).to_owned(),
        message: Some(error.message.to_string()),
        sender_fault: error.exception.status() < 500,
    }
}
