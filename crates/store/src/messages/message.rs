//! Messages as they are kept.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kiln_types::{AttributeValue, MessageAttribute, MessageId, QueueId, Timestamp};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::deduplicate;
use super::definition::invalid;
use super::receipt::Receipt;
use super::registry::MessageQueue;
use crate::queue::read_body;

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

/// A message that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Names it.
    pub id: MessageId,
    /// Names this receive of it.
    pub receipt: Receipt,
    /// What it says.
    pub body: String,
    /// What it carries besides.
    pub attributes: BTreeMap<String, MessageAttribute>,
    /// The tracing header.
    pub trace: Option<String>,
    /// Who sent it.
    pub sender: String,
    /// Its group.
    pub group: Option<String>,
    /// By what a FIFO queue knows it again.
    pub deduplication: Option<String>,
    /// Its place in the order of a FIFO queue.
    pub number: Option<u64>,
    /// When it was sent.
    pub sent: Timestamp,
    /// How often it was received, this time included.
    pub received: u32,
    /// When it was first received.
    pub first_received: Timestamp,
    /// The queue of which it is a dead letter.
    pub source: Option<QueueId>,
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
    pub(super) source: Option<QueueId>,
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
    /// A message for a queue with nothing but what it says.
    pub fn plain(id: MessageId, queue: &QueueId, body: String, sender: &str) -> Self {
        Self {
            id,
            queue: queue.clone(),
            body,
            attributes: BTreeMap::new(),
            trace: None,
            sender: sender.to_owned(),
            group: None,
            deduplication: None,
            delay: None,
        }
    }

    /// What a queue's limit is about: the body and the attributes.
    pub fn payload_size(&self) -> u64 {
        let attributes = self.attributes.iter();
        let attributes: usize = attributes.map(|(name, one)| name.len() + one.size()).sum();
        (self.body.len() + attributes) as u64
    }

    /// What it counts against the size of the queue, at most.
    pub fn size(&self) -> u64 {
        let known_again = match self.group {
            // That of a digest where there is no id.
            Some(_) => deduplicate::BYTES as u64 + 64,
            None => 0,
        };
        self.bytes() as u64 + known_again
    }

    /// What it takes in its queue.
    pub(super) fn bytes(&self) -> i64 {
        let rest = [&self.trace, &self.group, &self.deduplication];
        let rest = rest.map(|part| part.as_ref().map_or(0, String::len));
        let rest = rest.iter().sum::<usize>() + self.sender.len();
        (self.payload_size() + rest as u64 + OVERHEAD_BYTES) as i64
    }

    /// As it is kept, with what shows as its deduplication id.
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
        Head {
            sender: self.sender.clone(),
            attributes: self.attributes.iter().map(kept).collect(),
            trace: self.trace.clone(),
            group: self.group.clone(),
            deduplication,
            source: None,
        }
        .text()
    }
}

impl Head {
    pub(super) fn read(text: &str) -> rusqlite::Result<Self> {
        serde_json::from_str(text).map_err(invalid)
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("texts are always JSON")
    }
}

impl KeptAttribute {
    fn read(self) -> rusqlite::Result<MessageAttribute> {
        let (data_type, value) = match self {
            KeptAttribute::Text(data_type, text) => (data_type, AttributeValue::Text(text)),
            KeptAttribute::Binary(data_type, base64) => {
                let bytes = STANDARD.decode(base64).map_err(invalid)?;
                (data_type, AttributeValue::Binary(bytes.into()))
            }
        };
        Ok(MessageAttribute { data_type, value })
    }
}

/// Reads a message that is received.
pub(super) fn read(from: &Connection, receive: Receiving<'_>) -> rusqlite::Result<Message> {
    let select = "SELECT message_id, sent, head, body_id, body FROM message WHERE id = ?1";
    from.prepare_cached(select)?
        .query_row([receive.receipt.key.0], |row| {
            let head = Head::read(&row.get::<_, String>(2)?)?;
            let body = read_body(from, row.get(3)?, row.get(4)?)?;
            let mut attributes = BTreeMap::new();
            for (name, kept) in head.attributes {
                attributes.insert(name, kept.read()?);
            }
            let number = receive.receipt.key.number() as u64;
            Ok(Message {
                id: MessageId::from_bytes(row.get(0)?),
                receipt: receive.receipt,
                body: String::from_utf8(body.into()).map_err(invalid)?,
                attributes,
                trace: head.trace,
                sender: head.sender,
                group: head.group,
                deduplication: head.deduplication,
                number: receive.queue.is_fifo().then_some(number),
                sent: Timestamp::from_millis(row.get(1)?),
                received: receive.receipt.received,
                first_received: receive.first,
                source: head.source,
            })
        })
}

/// A receive of a message.
pub(super) struct Receiving<'a> {
    pub(super) queue: &'a MessageQueue,
    pub(super) receipt: Receipt,
    pub(super) first: Timestamp,
}
