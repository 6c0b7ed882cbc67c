//! A message as its publisher wrote it, before it has its topic's approval.

use std::collections::BTreeMap;

use kiln_invoke::fan_out::{Notice, Says};
use kiln_types::limits::PUBLISHED_BYTES_MAX;
use kiln_types::not_in_messages;
use kiln_types::{MessageId, Topic};
use serde_json::{Map, Value};

use super::attribute;
use crate::context::Context;
use crate::error::Result;
use crate::lambda::invocation::trace;
use crate::sns::generated::{MessageAttributeValue, PublishBatchRequestEntry, PublishInput};
use crate::sns::refusal::{invalid, invalid_for};

/// Longest group and deduplication id (API reference, `Publish`).
const ID_LENGTH_MAX: usize = 128;
/// Characters of a subject (API reference, `Publish`).
const SUBJECT_LENGTH_MAX: usize = 100;

/// What a publisher wrote.
pub(super) struct Draft {
    message: String,
    structure: Option<String>,
    subject: Option<String>,
    attributes: Option<BTreeMap<String, MessageAttributeValue>>,
    group: Option<String>,
    deduplication: Option<String>,
}

impl From<PublishInput> for Draft {
    fn from(input: PublishInput) -> Self {
        Self {
            message: input.message,
            structure: input.message_structure,
            subject: input.subject,
            attributes: input.message_attributes,
            group: input.message_group_id,
            deduplication: input.message_deduplication_id,
        }
    }
}

impl From<PublishBatchRequestEntry> for Draft {
    fn from(entry: PublishBatchRequestEntry) -> Self {
        Self {
            message: entry.message,
            structure: entry.message_structure,
            subject: entry.subject,
            attributes: entry.message_attributes,
            group: entry.message_group_id,
            deduplication: entry.message_deduplication_id,
        }
    }
}

impl Draft {
    /// The message, if nothing is wrong with it.
    pub(super) fn notice(self, context: &Context, topic: &Topic) -> Result<Notice> {
        if self.message.is_empty() {
            return Err(invalid("Empty message"));
        }
        // AWS differs: what no queue takes is refused here, whoever has subscribed.
        if let Some(bad) = not_in_messages(&self.message) {
            let message = format!(
                "Message Reason: #x{:X} may not be in a message",
                u32::from(bad)
            );
            return Err(invalid(message));
        }
        check_subject(self.subject.as_deref())?;
        self.check_order(topic)?;
        let attributes = attribute::read(self.attributes)?;
        let of_attributes = attributes.iter().map(|(name, one)| name.len() + one.size());
        if self.message.len() + of_attributes.sum::<usize>() > PUBLISHED_BYTES_MAX {
            return Err(invalid("Message too long"));
        }
        Ok(Notice {
            id: MessageId::random(),
            text: text(self.message, self.structure.as_deref())?,
            subject: self.subject,
            attributes,
            group: self.group,
            deduplication: self.deduplication,
            trace: Some(trace(context)),
        })
    }

    /// What a FIFO topic must know of a message, and another must not.
    fn check_order(&self, topic: &Topic) -> Result<()> {
        check_id("MessageGroupId", self.group.as_deref())?;
        check_id("MessageDeduplicationId", self.deduplication.as_deref())?;
        let Some(fifo) = &topic.fifo else {
            return match self.deduplication {
                Some(_) => Err(invalid_for(
                    "MessageDeduplicationId",
                    "The request includes MessageDeduplicationId parameter that is not valid for this topic type",
                )),
                None => Ok(()),
            };
        };
        if self.group.is_none() {
            return Err(invalid(
                "The MessageGroupId parameter is required for FIFO topics",
            ));
        }
        match self.deduplication.is_some() || fifo.deduplicates_by_content {
            true => Ok(()),
            false => Err(invalid(
                "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
            )),
        }
    }
}

/// What is said, to whom.
fn text(message: String, structure: Option<&str>) -> Result<Says> {
    match structure {
        None | Some("") => return Ok(Says::same(message)),
        Some("json") => {}
        Some(_) => return Err(invalid("MessageStructure")),
    }
    let all: std::result::Result<Map<String, Value>, _> = serde_json::from_str(&message);
    let mut all =
        all.map_err(|_| invalid("Message Structure - JSON message body failed to parse"))?;
    let mut take = |name: &str| match all.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let default = take("default")
        .ok_or_else(|| invalid("Message Structure - No default entry in JSON message body"))?;
    Ok(Says {
        all: default,
        functions: take("lambda"),
        queues: take("sqs"),
        http: take("http"),
        https: take("https"),
    })
}

fn check_subject(subject: Option<&str>) -> Result<()> {
    let Some(subject) = subject else {
        return Ok(());
    };
    let fits = (1..=SUBJECT_LENGTH_MAX).contains(&subject.chars().count());
    let begins = subject
        .chars()
        .next()
        .is_some_and(|first| first.is_ascii_graphic());
    match fits && begins && !subject.chars().any(char::is_control) {
        true => Ok(()),
        false => Err(invalid("Subject")),
    }
}

fn check_id(parameter: &str, id: Option<&str>) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_graphic();
    let is_id = |id: &str| (1..=ID_LENGTH_MAX).contains(&id.len()) && id.bytes().all(allowed);
    match id {
        Some(id) if !is_id(id) => {
            let reason = format!(
                "{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length"
            );
            Err(invalid_for(parameter, reason))
        }
        _ => Ok(()),
    }
}
