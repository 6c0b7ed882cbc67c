//! A message as its sender wrote it, before it has a queue's approval.

use std::collections::BTreeMap;
use std::time::Duration;

use kiln_store::messages::{MessageQueue, NewMessage, Sent};
use kiln_types::MessageId;

use super::{attribute, md5, text};
use crate::context::Context;
use crate::error::Result;
use crate::sqs::generated::{
    MessageAttributeValue, MessageSystemAttributeValue, SendMessageBatchRequestEntry,
    SendMessageRequest,
};
use crate::sqs::refusal::{invalid_value, missing, wrong_kind};

/// Longest delay of a message in seconds (API reference, `SendMessage`).
const DELAY_SECS_MAX: i64 = 900;
/// Longest group and deduplication id (API reference, `SendMessage`).
const ID_LENGTH_MAX: usize = 128;

/// What a sender wrote.
pub(super) struct Draft {
    body: String,
    delay_secs: Option<i64>,
    attributes: Option<BTreeMap<String, MessageAttributeValue>>,
    system_attributes: Option<BTreeMap<String, MessageSystemAttributeValue>>,
    deduplication: Option<String>,
    group: Option<String>,
}

/// What a sender is told of a message besides its id: the digests that it compares.
pub(super) struct Digests {
    pub(super) body: String,
    pub(super) attributes: Option<String>,
    pub(super) system_attributes: Option<String>,
}

impl From<SendMessageRequest> for Draft {
    fn from(input: SendMessageRequest) -> Self {
        Self {
            body: input.message_body,
            delay_secs: input.delay_seconds,
            attributes: input.message_attributes,
            system_attributes: input.message_system_attributes,
            deduplication: input.message_deduplication_id,
            group: input.message_group_id,
        }
    }
}

impl From<SendMessageBatchRequestEntry> for Draft {
    fn from(entry: SendMessageBatchRequestEntry) -> Self {
        Self {
            body: entry.message_body,
            delay_secs: entry.delay_seconds,
            attributes: entry.message_attributes,
            system_attributes: entry.message_system_attributes,
            deduplication: entry.message_deduplication_id,
            group: entry.message_group_id,
        }
    }
}

impl Draft {
    /// The message, if nothing is wrong with it.
    pub(super) fn message(
        self,
        context: &Context,
        queue: &MessageQueue,
    ) -> Result<(NewMessage, Digests)> {
        if self.body.is_empty() {
            return Err(missing("MessageBody"));
        }
        text::check(&self.body)?;
        let is_fifo = queue.is_fifo();
        let delay = delay(self.delay_secs, is_fifo)?;
        check_id("MessageGroupId", self.group.as_deref())?;
        check_id("MessageDeduplicationId", self.deduplication.as_deref())?;
        if let Some(id) = self.deduplication.as_deref().filter(|_| !is_fifo) {
            return Err(wrong_kind(id, "MessageDeduplicationId"));
        }
        let attributes = attribute::read(self.attributes)?;
        let trace = attribute::read_trace(self.system_attributes)?;
        let digests = Digests {
            body: md5::of_body(&self.body),
            attributes: md5::of_attributes(&attributes),
            system_attributes: trace
                .clone()
                .and_then(|trace| md5::of_attributes(&attribute::named_trace(trace))),
        };
        let trace = trace.and_then(|trace| match trace.value {
            kiln_types::AttributeValue::Text(text) => Some(text),
            kiln_types::AttributeValue::Binary(_) => None,
        });
        let message = NewMessage {
            id: MessageId::random(),
            queue: queue.id.clone(),
            body: self.body,
            attributes,
            trace,
            sender: context.caller.user_id.clone(),
            group: self.group,
            deduplication: self.deduplication,
            delay,
        };
        Ok((message, digests))
    }
}

fn delay(secs: Option<i64>, is_fifo: bool) -> Result<Option<Duration>> {
    let Some(secs) = secs else {
        return Ok(None);
    };
    if !(0..=DELAY_SECS_MAX).contains(&secs) {
        let reason = "DelaySeconds must be >= 0 and <= 900.";
        return Err(invalid_value(secs, "DelaySeconds", reason));
    }
    if is_fifo && secs > 0 {
        return Err(wrong_kind(secs, "DelaySeconds"));
    }
    Ok(Some(Duration::from_secs(secs as u64)))
}

/// Refuses what is no group's, deduplication or attempt id.
pub(super) fn check_id(parameter: &str, id: Option<&str>) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_graphic();
    let is_id = |id: &str| (1..=ID_LENGTH_MAX).contains(&id.len()) && id.bytes().all(allowed);
    match id {
        Some(id) if !is_id(id) => {
            let reason = format!(
                "{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length."
            );
            Err(invalid_value(id, parameter, &reason))
        }
        _ => Ok(()),
    }
}

/// The place of a message in its queue's order, as AWS writes it: 20 digits that go up.
pub(super) fn sequence_number(number: u64) -> String {
    format!("188{number:017}")
}

/// The same of a message that was sent.
pub(super) fn sequence_number_of(sent: &Sent) -> Option<String> {
    sent.number.map(sequence_number)
}
