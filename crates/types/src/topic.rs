//! Topics: their names, and who has subscribed to what is published to them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::account::{AccountId, Region, text_type};
use crate::arn::FunctionArn;
use crate::clock::Timestamp;
use crate::id::SubscriptionId;
use crate::limits;
use crate::message::QueueArn;
use crate::name::InvalidName;

mod endpoint;

pub use endpoint::HttpEndpoint;

/// A topic's name: 1-256 letters, digits, `-` and `_`, with `.fifo` at the end when its order is kept.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TopicName(Arc<str>);

/// Which topic, of whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TopicId {
    /// The owner.
    pub account: AccountId,
    /// Its name, unique within the account.
    pub name: TopicName,
}

/// `arn:aws:sns:<region>:<account>:<name>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicArn {
    /// Where.
    pub region: Region,
    /// Which, of whom.
    pub topic: TopicId,
}

/// `arn:aws:sns:<region>:<account>:<name>:<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionArn {
    /// The topic.
    pub topic: TopicArn,
    /// Which of its subscriptions.
    pub id: SubscriptionId,
}

/// A topic as its owner described it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// Which.
    pub id: TopicId,
    /// The name that people are shown.
    #[serde(default)]
    pub display_name: String,
    /// What only a FIFO topic has.
    #[serde(default)]
    pub fifo: Option<TopicFifo>,
    /// Statements of its resource policy that were given; none: the owner may do everything.
    #[serde(default)]
    pub policy: Option<String>,
    /// How HTTP endpoints are delivered to whose subscriptions do not say: a delivery policy that is valid, as it was given.
    #[serde(default)]
    pub delivery: Option<String>,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Settings that are kept and given back but not acted on, by the API's own names.
    #[serde(default)]
    pub kept: BTreeMap<String, String>,
    /// When it was made.
    pub created: Timestamp,
}

/// What only a FIFO topic has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TopicFifo {
    /// Whether a message without a deduplication id is known again by its text.
    pub deduplicates_by_content: bool,
    /// Whether each group has deduplication ids of its own.
    pub deduplicates_by_group: bool,
}

/// Somebody who gets what is published to a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Names it.
    pub id: SubscriptionId,
    /// To what.
    pub topic: TopicId,
    /// Who.
    pub to: Subscriber,
    /// Whether a queue or an endpoint gets messages as they were published, without an envelope.
    #[serde(default)]
    pub is_raw: bool,
    /// Which of the messages: a filter policy that is valid, as it was given.
    #[serde(default)]
    pub filter: Option<String>,
    /// Whether that looks at messages' texts in the place of their attributes.
    #[serde(default)]
    pub filters_body: bool,
    /// The queue that gets what cannot be delivered.
    #[serde(default)]
    pub dead_letters: Option<QueueArn>,
    /// How an HTTP endpoint is delivered to: a delivery policy that is valid, as it was given.
    #[serde(default)]
    pub delivery: Option<String>,
    /// Whether the subscriber agreed.
    #[serde(default)]
    pub confirmation: Confirmation,
    /// Settings that are kept and given back but not acted on, by the API's own names.
    #[serde(default)]
    pub kept: BTreeMap<String, String>,
}

/// Whether a subscriber agreed to be one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Confirmation {
    /// It need not.
    #[default]
    NotNeeded,
    /// It was asked, and sent what it answers with; until then it gets nothing else.
    Pending {
        /// That.
        token: String,
        /// When it was first asked.
        since: Timestamp,
    },
    /// It did.
    Given {
        /// What it answered with, to be answered alike when it does so again.
        token: String,
        /// Whether that was signed, and only who signs may unsubscribe.
        was_authenticated: bool,
    },
}

/// Who can subscribe.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subscriber {
    /// A function, invoked asynchronously.
    Function(FunctionArn),
    /// A message queue.
    Queue(QueueArn),
    /// Whoever answers there.
    Http(HttpEndpoint),
}

const FIFO_SUFFIX: &str = ".fifo";

impl TopicName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the topic keeps the order of what is published to it.
    pub fn is_fifo(&self) -> bool {
        self.0.ends_with(FIFO_SUFFIX)
    }
}

impl TopicId {
    /// Its ARN in a region.
    pub fn arn(&self, region: &Region) -> TopicArn {
        TopicArn {
            region: region.clone(),
            topic: self.clone(),
        }
    }
}

impl Topic {
    /// A topic of which no more is said.
    pub fn plain(id: TopicId, created: Timestamp) -> Self {
        Self {
            id,
            display_name: String::new(),
            fifo: None,
            policy: None,
            delivery: None,
            tags: BTreeMap::new(),
            kept: BTreeMap::new(),
            created,
        }
    }
}

impl Subscription {
    /// A subscription that wants every message, and of which no more is said.
    pub fn plain(topic: TopicId, to: Subscriber) -> Self {
        Self {
            id: SubscriptionId::random(),
            topic,
            to,
            is_raw: false,
            filter: None,
            filters_body: false,
            dead_letters: None,
            delivery: None,
            confirmation: Confirmation::NotNeeded,
            kept: BTreeMap::new(),
        }
    }

    /// Whether its subscriber was asked and has not answered.
    pub fn is_pending(&self) -> bool {
        matches!(self.confirmation, Confirmation::Pending { .. })
    }

    /// Its ARN in a region.
    pub fn arn(&self, region: &Region) -> SubscriptionArn {
        SubscriptionArn {
            topic: self.topic.arn(region),
            id: self.id,
        }
    }
}

impl FromStr for TopicName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let stem = text.strip_suffix(FIFO_SUFFIX).unwrap_or(text);
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let is_name = !stem.is_empty() && stem.bytes().all(allowed);
        if is_name && text.len() <= limits::TOPIC_NAME_LENGTH_MAX {
            return Ok(Self(Arc::from(text)));
        }
        let rule = "must be 1-256 letters, digits, - and _, with .fifo at the end or not";
        Err(InvalidName::new("topic name", text, rule))
    }
}

impl FromStr for TopicArn {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let parts: Vec<&str> = text.split(':').collect();
        match parts.as_slice() {
            ["arn", partition, "sns", region, account, name] if partition.starts_with("aws") => {
                Ok(Self {
                    region: region.parse()?,
                    topic: TopicId {
                        account: account.parse()?,
                        name: name.parse()?,
                    },
                })
            }
            _ => {
                let rule = "is not the ARN of a topic";
                Err(InvalidName::new("topic ARN", text, rule))
            }
        }
    }
}

impl FromStr for SubscriptionArn {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let wrong = || {
            let rule = "is not the ARN of a subscription";
            InvalidName::new("subscription ARN", text, rule)
        };
        let (topic, id) = text.rsplit_once(':').ok_or_else(wrong)?;
        Ok(Self {
            topic: topic.parse().map_err(|_| wrong())?,
            id: id.parse().map_err(|_| wrong())?,
        })
    }
}

impl FromStr for Subscriber {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.starts_with("http") {
            return text.parse().map(Subscriber::Http);
        }
        match text.split(':').nth(2) {
            Some("lambda") => text.parse().map(Subscriber::Function),
            Some("sqs") => text.parse().map(Subscriber::Queue),
            _ => {
                let rule =
                    "is not the ARN of a function or a queue, nor an address that begins with http";
                Err(InvalidName::new("subscriber", text, rule))
            }
        }
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.name)
    }
}

impl fmt::Display for TopicArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TopicId { account, name } = &self.topic;
        write!(f, "arn:aws:sns:{}:{account}:{name}", self.region)
    }
}

impl fmt::Display for SubscriptionArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.topic, self.id)
    }
}

impl fmt::Display for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subscriber::Function(arn) => arn.fmt(f),
            Subscriber::Queue(arn) => arn.fmt(f),
            Subscriber::Http(endpoint) => endpoint.fmt(f),
        }
    }
}

impl Serialize for TopicArn {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TopicArn {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Subscriber {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Subscriber {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

text_type!(TopicName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_aws_takes() {
        for name in ["orders", "a-b_C9", "orders.fifo", &"x".repeat(256)] {
            assert!(name.parse::<TopicName>().is_ok(), "{name}");
        }
        for name in ["", ".fifo", "a.b", "a b", "a:b", &"x".repeat(257)] {
            assert!(name.parse::<TopicName>().is_err(), "{name}");
        }
        assert!("orders.fifo".parse::<TopicName>().unwrap().is_fifo());
    }

    #[test]
    fn arns_read_back_as_written() {
        let text = "arn:aws:sns:eu-west-1:123456789012:orders.fifo";
        assert_eq!(text.parse::<TopicArn>().unwrap().to_string(), text);
        let of_one = format!("{text}:7f5f2a0c-1c47-4f0e-9a6e-0d0f5a3f9d11");
        let read: SubscriptionArn = of_one.parse().unwrap();
        assert_eq!(read.to_string(), of_one);
        assert_eq!(read.topic.to_string(), text);
        for other in [
            "orders",
            "arn:aws:sqs:eu-west-1:123456789012:orders",
            &of_one,
        ] {
            assert!(other.parse::<TopicArn>().is_err(), "{other}");
        }
        assert!(text.parse::<SubscriptionArn>().is_err());
    }

    #[test]
    fn subscribers_are_kept_as_their_arns_or_addresses() {
        for text in [
            "\"arn:aws:lambda:us-east-1:123456789012:function:sum:live\"",
            "\"arn:aws:sqs:us-east-1:123456789012:orders.fifo\"",
            "\"https://a.example/in\"",
        ] {
            let read: Subscriber = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
        assert!("mailto:a@b".parse::<Subscriber>().is_err());
    }
}
