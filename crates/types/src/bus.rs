//! Event buses: their rules, and who is sent the events that a rule wants.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::account::{AccountId, Region, text_type};
use crate::arn::FunctionArn;
use crate::clock::Timestamp;
use crate::limits;
use crate::message::QueueArn;
use crate::name::InvalidName;
use crate::topic::TopicArn;

/// An event bus's name: 1-256 letters, digits, `.`, `-`, `_` and `/`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BusName(Arc<str>);

/// A rule's name: 1-64 letters, digits, `.`, `-` and `_`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RuleName(Arc<str>);

/// Which event bus, of whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BusId {
    /// The owner.
    pub account: AccountId,
    /// Its name, unique within the account.
    pub name: BusName,
}

/// Which rule, of which bus.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RuleId {
    /// Its bus.
    pub bus: BusId,
    /// Its name, unique on the bus.
    pub name: RuleName,
}

/// `arn:aws:events:<region>:<account>:event-bus/<name>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BusArn {
    /// Where.
    pub region: Region,
    /// Which, of whom.
    pub bus: BusId,
}

/// An event bus as its owner described it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bus {
    /// Which.
    pub id: BusId,
    /// The owner's words.
    #[serde(default)]
    pub description: Option<String>,
    /// Statements of its resource policy, as they were given.
    #[serde(default)]
    pub policy: Vec<serde_json::Value>,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Settings that are kept and given back but not acted on, by the API's own names.
    #[serde(default)]
    pub kept: BTreeMap<String, serde_json::Value>,
    /// When it was made; none for the default bus, which is always there.
    #[serde(default)]
    pub created: Option<Timestamp>,
    /// When it was last changed.
    #[serde(default)]
    pub modified: Option<Timestamp>,
}

/// Which events of a bus are wanted, and who is sent them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Which.
    pub id: RuleId,
    /// What it wants: a pattern that is valid.
    #[serde(default)]
    pub pattern: Option<String>,
    /// When it runs by itself: `rate(…)` or `cron(…)`, valid, in UTC.
    #[serde(default)]
    pub schedule: Option<String>,
    /// Whether it wants anything.
    pub state: RuleState,
    /// The owner's words.
    #[serde(default)]
    pub description: Option<String>,
    /// The role that it names; nothing is done with it.
    #[serde(default)]
    pub role: Option<String>,
    /// Who is sent what it wants, by their ids.
    #[serde(default)]
    pub targets: BTreeMap<String, Target>,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// Whether a rule wants anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RuleState {
    /// It does.
    #[default]
    Enabled,
    /// It does, and would want events of CloudTrail that others do not get, if there were any.
    EnabledWithTrail,
    /// It does not.
    Disabled,
}

/// Who is sent the events of a rule, and what of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Who.
    pub to: Recipient,
    /// What.
    #[serde(default)]
    pub input: TargetInput,
    /// The group of messages in a FIFO queue.
    #[serde(default)]
    pub group: Option<String>,
    /// The role that it names; nothing is done with it.
    #[serde(default)]
    pub role: Option<String>,
    /// The queue that gets what cannot be delivered.
    #[serde(default)]
    pub dead_letters: Option<QueueArn>,
    /// How often delivery is tried again, as it was given.
    #[serde(default)]
    pub retries: Option<u32>,
    /// How old an event may become before that, as it was given.
    #[serde(default)]
    pub age_max_secs: Option<u32>,
}

/// Who can be sent events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// A function, invoked asynchronously.
    Function(FunctionArn),
    /// A message queue.
    Queue(QueueArn),
    /// Another bus.
    Bus(BusArn),
    /// A topic, to whose subscribers they are published.
    Topic(TopicArn),
}

/// What of an event is sent. What stands here is valid.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetInput {
    /// All of it.
    #[default]
    Whole,
    /// This, whatever the event is.
    Constant(String),
    /// The part at this path.
    Part(String),
    /// A text with parts of it.
    Template {
        /// The parts, by the names they have in the text.
        paths: BTreeMap<String, String>,
        /// The text.
        template: String,
    },
}

impl BusName {
    /// The name of the bus that every account has.
    pub fn default_bus() -> Self {
        Self(Arc::from("default"))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names the bus that every account has.
    pub fn is_default(&self) -> bool {
        self.as_str() == "default"
    }
}

impl RuleName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl BusId {
    /// The bus that every account has.
    pub fn default_of(account: AccountId) -> Self {
        Self {
            account,
            name: BusName::default_bus(),
        }
    }

    /// Its ARN in a region.
    pub fn arn(&self, region: &Region) -> BusArn {
        BusArn {
            region: region.clone(),
            bus: self.clone(),
        }
    }
}

impl RuleId {
    /// Its ARN in a region: rules of the default bus are named without it.
    pub fn arn(&self, region: &Region) -> String {
        let BusId { account, name: bus } = &self.bus;
        let name = &self.name;
        if bus.is_default() {
            return format!("arn:aws:events:{region}:{account}:rule/{name}");
        }
        format!("arn:aws:events:{region}:{account}:rule/{bus}/{name}")
    }
}

impl Bus {
    /// A bus of which nothing is said.
    pub fn new(id: BusId) -> Self {
        Self {
            id,
            description: None,
            policy: Vec::new(),
            tags: BTreeMap::new(),
            kept: BTreeMap::new(),
            created: None,
            modified: None,
        }
    }
}

impl RuleState {
    /// Whether the rule wants anything.
    pub fn is_enabled(self) -> bool {
        self != RuleState::Disabled
    }
}

impl Recipient {
    /// Whose it is.
    pub fn account(&self) -> &AccountId {
        match self {
            Recipient::Function(arn) => &arn.account,
            Recipient::Queue(arn) => &arn.queue.account,
            Recipient::Bus(arn) => &arn.bus.account,
            Recipient::Topic(arn) => &arn.topic.account,
        }
    }

    /// Where it is.
    pub fn region(&self) -> &Region {
        match self {
            Recipient::Function(arn) => &arn.region,
            Recipient::Queue(arn) => &arn.region,
            Recipient::Bus(arn) => &arn.region,
            Recipient::Topic(arn) => &arn.region,
        }
    }
}

fn is_name(text: &str, length_max: usize, others: &[u8]) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || others.contains(&b);
    (1..=length_max).contains(&text.len()) && text.bytes().all(allowed)
}

impl FromStr for BusName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if is_name(text, limits::BUS_NAME_LENGTH_MAX, b".-_/") {
            return Ok(Self(Arc::from(text)));
        }
        let rule = "must be 1-256 letters, digits, ., -, _ and /";
        Err(InvalidName::new("event bus name", text, rule))
    }
}

impl FromStr for RuleName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if is_name(text, limits::RULE_NAME_LENGTH_MAX, b".-_") {
            return Ok(Self(Arc::from(text)));
        }
        let rule = "must be 1-64 letters, digits, ., - and _";
        Err(InvalidName::new("rule name", text, rule))
    }
}

impl FromStr for BusArn {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let parts: Vec<&str> = text.split(':').collect();
        if let ["arn", partition, "events", region, account, resource] = parts.as_slice()
            && partition.starts_with("aws")
            && let Some(name) = resource.strip_prefix("event-bus/")
        {
            return Ok(Self {
                region: region.parse()?,
                bus: BusId {
                    account: account.parse()?,
                    name: name.parse()?,
                },
            });
        }
        let rule = "is not the ARN of an event bus";
        Err(InvalidName::new("event bus ARN", text, rule))
    }
}

impl FromStr for Recipient {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match text.split(':').nth(2) {
            Some("lambda") => text.parse().map(Recipient::Function),
            Some("sqs") => text.parse().map(Recipient::Queue),
            Some("events") => text.parse().map(Recipient::Bus),
            Some("sns") => text.parse().map(Recipient::Topic),
            _ => {
                let rule = "is not the ARN of a function, a queue, a topic or an event bus";
                Err(InvalidName::new("target", text, rule))
            }
        }
    }
}

impl fmt::Display for BusId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.name)
    }
}

impl fmt::Display for BusArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BusId { account, name } = &self.bus;
        write!(
            f,
            "arn:aws:events:{}:{account}:event-bus/{name}",
            self.region
        )
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Recipient::Function(arn) => arn.fmt(f),
            Recipient::Queue(arn) => arn.fmt(f),
            Recipient::Bus(arn) => arn.fmt(f),
            Recipient::Topic(arn) => arn.fmt(f),
        }
    }
}

impl Serialize for Recipient {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Recipient {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

text_type!(BusName);
text_type!(RuleName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_aws_takes() {
        for name in ["default", "a/b.c-d_e", &"x".repeat(256)] {
            assert!(name.parse::<BusName>().is_ok(), "{name}");
        }
        for name in ["", "a b", "a:b", &"x".repeat(257)] {
            assert!(name.parse::<BusName>().is_err(), "{name}");
        }
        assert!("a/b".parse::<RuleName>().is_err());
        assert!("x".repeat(65).parse::<RuleName>().is_err());
    }

    #[test]
    fn recipients_are_kept_as_their_arns() {
        for text in [
            "arn:aws:lambda:us-east-1:123456789012:function:sum:live",
            "arn:aws:sqs:us-east-1:123456789012:orders.fifo",
            "arn:aws:events:us-east-1:123456789012:event-bus/a/b",
            "arn:aws:sns:us-east-1:123456789012:orders",
        ] {
            let read: Recipient = text.parse().unwrap();
            assert_eq!(read.to_string(), text);
            assert_eq!(read.account().as_str(), "123456789012");
            assert_eq!(read.region().as_str(), "us-east-1");
        }
        for text in [
            "sum",
            "arn:aws:kinesis:us-east-1:123456789012:stream/s",
            "arn:aws:events:us-east-1:123456789012:rule/r",
        ] {
            assert!(text.parse::<Recipient>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_rule_of_the_default_bus_is_named_without_it() {
        let account: AccountId = "123456789012".parse().unwrap();
        let region = Region::default();
        let mut rule = RuleId {
            bus: BusId::default_of(account),
            name: "r".parse().unwrap(),
        };
        let arn = "arn:aws:events:us-east-1:123456789012:rule/r";
        assert_eq!(rule.arn(&region), arn);
        rule.bus.name = "own".parse().unwrap();
        let arn = "arn:aws:events:us-east-1:123456789012:rule/own/r";
        assert_eq!(rule.arn(&region), arn);
    }
}
