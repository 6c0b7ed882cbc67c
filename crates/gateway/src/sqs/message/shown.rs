//! A received message as its receiver wants it: with the attributes that it names.

use std::collections::BTreeMap;

use kiln_store::messages::Message;
use kiln_types::{AttributeValue, MessageAttribute};

use super::draft::sequence_number;
use super::md5;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::sqs::address::arn;
use crate::sqs::generated::{Message as Shown, MessageAttributeValue};
use crate::sqs::queue::attributes::is_known;

/// The attributes that the system gives a message.
const SYSTEM: [&str; 10] = [
    "All",
    "AWSTraceHeader",
    "ApproximateFirstReceiveTimestamp",
    "ApproximateReceiveCount",
    "DeadLetterQueueSourceArn",
    "MessageDeduplicationId",
    "MessageGroupId",
    "SenderId",
    "SentTimestamp",
    "SequenceNumber",
];

/// Which attributes a receiver wants.
pub(super) struct Wanted {
    system: Vec<String>,
    own: Vec<String>,
}

impl Wanted {
    pub(super) fn read(system: Vec<String>, own: Vec<String>) -> Result<Self> {
        // The same list once named a queue's attributes too.
        let is_unknown = |name: &&String| !SYSTEM.contains(&name.as_str()) && !is_known(name);
        if let Some(name) = system.iter().find(is_unknown) {
            let message = format!("Unknown Attribute {name}.");
            return Err(ApiError::new(Exception::InvalidAttributeName, message));
        }
        Ok(Self { system, own })
    }

    fn wants_system(&self, name: &str) -> bool {
        self.system
            .iter()
            .any(|wanted| wanted == name || wanted == "All")
    }

    /// By name, by the beginning of it (`orders.*`), or all.
    fn wants_own(&self, name: &str) -> bool {
        self.own.iter().any(|wanted| match wanted.as_str() {
            "All" | ".*" | "*" => true,
            wanted => match wanted.strip_suffix(".*") {
                Some(prefix) => name.starts_with(prefix),
                None => name == wanted,
            },
        })
    }

    /// The message.
    pub(super) fn shown(&self, context: &Context, message: Message) -> Shown {
        let mut system = system(context, &message);
        system.retain(|name, _| self.wants_system(name));
        let mut own = message.attributes;
        own.retain(|name, _| self.wants_own(name));
        Shown {
            message_id: Some(message.id.to_string()),
            receipt_handle: Some(message.receipt.to_string()),
            md5_of_body: Some(md5::of_body(&message.body)),
            body: Some(message.body),
            attributes: Some(system).filter(|system| !system.is_empty()),
            md5_of_message_attributes: md5::of_attributes(&own),
            message_attributes: Some(own).filter(|own| !own.is_empty()).map(|own| {
                own.into_iter()
                    .map(|(name, one)| (name, value(one)))
                    .collect()
            }),
        }
    }
}

fn system(context: &Context, message: &Message) -> BTreeMap<String, String> {
    let first_received = message.first_received.as_millis().to_string();
    let source = message
        .source
        .as_ref()
        .map(|source| arn(context, source).to_string());
    let all = [
        ("AWSTraceHeader", message.trace.clone()),
        ("ApproximateFirstReceiveTimestamp", Some(first_received)),
        (
            "ApproximateReceiveCount",
            Some(message.received.to_string()),
        ),
        ("DeadLetterQueueSourceArn", source),
        ("MessageDeduplicationId", message.deduplication.clone()),
        ("MessageGroupId", message.group.clone()),
        ("SenderId", Some(message.sender.clone())),
        ("SentTimestamp", Some(message.sent.as_millis().to_string())),
        ("SequenceNumber", message.number.map(sequence_number)),
    ];
    let has = |(name, value): (&str, Option<String>)| Some((name.to_owned(), value?));
    all.into_iter().filter_map(has).collect()
}

fn value(attribute: MessageAttribute) -> MessageAttributeValue {
    let (string_value, binary_value) = match attribute.value {
        AttributeValue::Text(text) => (Some(text), None),
        AttributeValue::Binary(bytes) => (None, Some(bytes)),
    };
    MessageAttributeValue {
        string_value,
        binary_value,
        data_type: attribute.data_type,
    }
}
