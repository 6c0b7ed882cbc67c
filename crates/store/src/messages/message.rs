//! Messages as they are kept.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kiln_types::{AttributeValue, MessageAttribute, MessageId, QueueId};
use serde::{Deserialize, Serialize};

/// What a message takes besides what its sender gave, about: its rows, and its part of half-empty pages.
const OVERHEAD_BYTES: u64 = 320;

/// A message to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// Names it, until it is deleted.
    pub id: MessageId,
    /// Where it goes.
    pub queue: QueueId,
    /// What it says.
    pub body: String,
    /// What it carries besides.
    pub attributes: BTreeMap<String, MessageAttribute>,
    /// The tracing header.
    pub trace: Option<String>,
    /// Who sends it.
    pub sender: String,
    /// Its group: in a FIFO queue messages of a group are received one after the other.
    pub group: Option<String>,
    /// By what a FIFO queue knows it again.
    pub deduplication: Option<String>,
    /// How long it is hidden from all; none means as long as the queue says.
    pub delay: Option<Duration>,
}

/// What is kept of a message besides its numbers and its body.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Head {
    #[serde(rename = "s")]
    pub(super) sender: String,
    #[serde(rename = "a", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) attributes: BTreeMap<String, KeptAttribute>,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub(super) trace: Option<String>,
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<String>,
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub(super) deduplication: Option<String>,
    /// The queue for which the message was too much.
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<String>,
}

/// The type, and a text or bytes in base64.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum KeptAttribute {
    #[serde(rename = "t")]
    Text(String, String),
    #[serde(rename = "b")]
    Binary(String, String),
}

impl NewMessage {
    /// What a queue's limit is about: the body and the attributes.
    pub fn payload_size(&self) -> u64 {
        let attributes = self.attributes.iter();
        let attributes: usize = attributes.map(|(name, one)| name.len() + one.size()).sum();
        (self.body.len() + attributes) as u64
    }

    /// What it counts against the size of the queue.
    pub fn size(&self) -> u64 {
        let rest = [&self.trace, &self.group, &self.deduplication];
        let rest: usize = rest
            .map(|part| part.as_ref().map_or(0, String::len))
            .iter()
            .sum();
        self.payload_size() + (rest + self.sender.len()) as u64 + OVERHEAD_BYTES
    }

    pub(super) fn head(&self, deduplication: Option<String>) -> String {
        let kept = |(name, one): (&String, &MessageAttribute)| {
            let data_type = one.data_type.clone();
            let kept = match &one.value {
                AttributeValue::Text(text) => KeptAttribute::Text(data_type, text.clone()),
                AttributeValue::Binary(bytes) => {
                    KeptAttribute::Binary(data_type, STANDARD.encode(bytes))
                }
            };
            (name.clone(), kept)
        };
        let head = Head {
            sender: self.sender.clone(),
            attributes: self.attributes.iter().map(kept).collect(),
            trace: self.trace.clone(),
            group: self.group.clone(),
            deduplication,
            source: None,
        };
        serde_json::to_string(&head).expect("texts are always JSON")
    }
}
