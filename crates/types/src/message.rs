//! Message queues: their names, and what a message carries besides its body.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::account::{AccountId, Region, text_type};
use crate::limits;
use crate::name::InvalidName;

/// A message queue's name: 1-80 letters, digits, `-` and `_`, with `.fifo` at the end when its order is
/// kept.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QueueName(Arc<str>);

/// Which message queue, of whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct QueueId {
    /// The owner.
    pub account: AccountId,
    /// Its name, unique within the account.
    pub name: QueueName,
}

/// `arn:aws:sqs:<region>:<account>:<name>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueArn {
    /// Where.
    pub region: Region,
    /// Which, of whom.
    pub queue: QueueId,
}

/// A named value that a message carries beside its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageAttribute {
    /// `String`, `Number` or `Binary`, and perhaps a label of the sender's own after a dot.
    pub data_type: String,
    /// What it says.
    pub value: AttributeValue,
}

/// What a message's attribute says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// A text; a number is one too.
    Text(String),
    /// Bytes.
    Binary(bytes::Bytes),
}

const FIFO_SUFFIX: &str = ".fifo";

impl QueueName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the queue keeps the order of its messages.
    pub fn is_fifo(&self) -> bool {
        self.0.ends_with(FIFO_SUFFIX)
    }
}

impl QueueArn {
    /// The ARN of a queue.
    pub fn new(region: Region, queue: QueueId) -> Self {
        Self { region, queue }
    }
}

impl MessageAttribute {
    /// A text.
    pub fn string(value: impl Into<String>) -> Self {
        Self {
            data_type: "String".to_owned(),
            value: AttributeValue::Text(value.into()),
        }
    }

    /// A number.
    pub fn number(value: impl fmt::Display) -> Self {
        Self {
            data_type: "Number".to_owned(),
            value: AttributeValue::Text(value.to_string()),
        }
    }

    /// What it adds to the size of a message, besides its name.
    pub fn size(&self) -> usize {
        let value = match &self.value {
            AttributeValue::Text(text) => text.len(),
            AttributeValue::Binary(bytes) => bytes.len(),
        };
        self.data_type.len() + value
    }
}

impl FromStr for QueueName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let stem = text.strip_suffix(FIFO_SUFFIX).unwrap_or(text);
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let is_name = !stem.is_empty() && stem.bytes().all(allowed);
        if is_name && text.len() <= limits::QUEUE_NAME_LENGTH_MAX {
            return Ok(Self(Arc::from(text)));
        }
        let rule = "must be 1-80 letters, digits, - and _, with .fifo at the end or not";
        Err(InvalidName::new("queue name", text, rule))
    }
}

impl FromStr for QueueArn {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let parts: Vec<&str> = text.split(':').collect();
        match parts.as_slice() {
            ["arn", partition, "sqs", region, account, name] if partition.starts_with("aws") => {
                Ok(Self {
                    region: region.parse()?,
                    queue: QueueId {
                        account: account.parse()?,
                        name: name.parse()?,
                    },
                })
            }
            _ => Err(InvalidName::new(
                "queue ARN",
                text,
                "is not the ARN of a queue",
            )),
        }
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.name)
    }
}

impl fmt::Display for QueueArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let QueueId { account, name } = &self.queue;
        write!(f, "arn:aws:sqs:{}:{account}:{name}", self.region)
    }
}

impl Serialize for QueueArn {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for QueueArn {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

text_type!(QueueName);

/// The first character of a text that no message in a queue may hold: it must be of XML 1.0, in which clients get it.
pub fn not_in_messages(text: &str) -> Option<char> {
    let is_allowed = |letter: &char| matches!(letter, '\t' | '\n' | '\r' | '\u{20}'..='\u{FFFD}' | '\u{10000}'..);
    text.chars().find(|letter| !is_allowed(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suffix_counts_and_must_stand_at_the_end() {
        let long = "a".repeat(75);
        assert!(format!("{long}.fifo").parse::<QueueName>().is_ok());
        assert!(format!("{long}a.fifo").parse::<QueueName>().is_err());
        assert!("a".repeat(80).parse::<QueueName>().is_ok());
        for text in ["", ".fifo", "a.fifo.b", "a.b", "a b", "a/b"] {
            assert!(text.parse::<QueueName>().is_err(), "{text}");
        }
        assert!("a.fifo".parse::<QueueName>().unwrap().is_fifo());
        assert!(!"a-fifo".parse::<QueueName>().unwrap().is_fifo());
    }

    #[test]
    fn an_arn_reads_back_as_written() {
        let text = "arn:aws:sqs:eu-west-1:123456789012:orders.fifo";
        assert_eq!(text.parse::<QueueArn>().unwrap().to_string(), text);
        for other in [
            "arn:aws:sns:us-east-1:123456789012:topic",
            "arn:aws:sqs:us-east-1:123456789012:a:b",
            "orders",
        ] {
            assert!(other.parse::<QueueArn>().is_err(), "{other}");
        }
    }
}
