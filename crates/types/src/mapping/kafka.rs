//! A Kafka cluster as an event source: where it is, which topic is heard of, in which group, and who asks.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::endpoint::{self, Begin};
use crate::account::text_type;
use crate::name::InvalidName;
use crate::secret::SecretArn;

/// Longest name of a topic: the brokers' own limit, as it names a directory.
const TOPIC_BYTES_MAX: usize = 249;
/// Longest name of a consumer group: AWS's limit.
const GROUP_BYTES_MAX: usize = 200;

/// Records of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KafkaSource {
    /// Brokers that are asked first: they tell of all others.
    pub servers: Vec<KafkaServer>,
    /// The topic.
    pub topic: TopicName,
    /// The consumer group that the place is kept in; none: one of the mapping's own.
    pub group: Option<GroupName>,
    /// Where a group begins that has no place yet.
    pub begin: Begin,
    /// Who asks; none: the cluster lets anybody in.
    pub login: Option<KafkaLogin>,
    /// The secret with the certificates that vouch for the brokers'; none: those that this machine trusts.
    pub root_certificates: Option<SecretArn>,
}

/// How a user proves who it is, and the secret with its name and password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KafkaLogin {
    /// How.
    pub mechanism: Mechanism,
    /// The secret.
    pub secret: SecretArn,
}

/// How a user proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// By the password itself.
    Plain,
    /// By knowing it, RFC 5802 with SHA-256.
    Scram256,
    /// The same with SHA-512.
    Scram512,
}

/// `<host>:<port>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KafkaServer {
    text: Arc<str>,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// The name of a topic: letters, digits, `.`, `_` and `-`.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TopicName(Arc<str>);

/// The name of a consumer group.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupName(Arc<str>);

impl KafkaSource {
    /// Whether both hear of the same, and keep one place.
    pub fn is_same(&self, other: &KafkaSource) -> bool {
        let (mut one, mut another) = (self.servers.clone(), other.servers.clone());
        one.sort();
        another.sort();
        one == another && self.topic == other.topic && self.group == other.group
    }

    /// Whether connections are encrypted: where certificates are named, and where somebody logs in, unless that stays on
    /// this machine.
    pub fn is_encrypted(&self) -> bool {
        let is_far = !self.servers.iter().all(KafkaServer::is_loopback);
        self.root_certificates.is_some() || (self.login.is_some() && is_far)
    }
}

impl KafkaServer {
    /// Whether it is on this machine, so that what is sent to it crosses no network.
    pub fn is_loopback(&self) -> bool {
        endpoint::is_loopback(&self.host)
    }
}

impl TopicName {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl GroupName {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KafkaServer {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let wrong = || InvalidName::new("bootstrap server", text, "must be <host>:<port>");
        // No port is 0, so that one that is not named is known.
        let (host, port) = endpoint::host_and_port(text, 0).ok_or_else(wrong)?;
        if port == 0 {
            return Err(wrong());
        }
        Ok(Self {
            text: text.into(),
            host,
            port,
        })
    }
}

impl FromStr for TopicName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_path = matches!(text, "." | "..");
        match (1..=TOPIC_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed) && !is_path {
            true => Ok(Self(text.into())),
            false => Err(InvalidName::new(
                "Kafka topic",
                text,
                "must have 1 to 249 letters, digits, '.', '_' and '-'",
            )),
        }
    }
}

impl FromStr for GroupName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let is_plain = !text.contains(char::is_control);
        match (1..=GROUP_BYTES_MAX).contains(&text.len()) && is_plain {
            true => Ok(Self(text.into())),
            false => Err(InvalidName::new(
                "consumer group",
                text,
                "must have 1 to 200 bytes, none of them a control character",
            )),
        }
    }
}

text_type!(KafkaServer, text);
text_type!(TopicName);
text_type!(GroupName);

#[cfg(test)]
mod tests {
    use super::*;

    fn source(servers: &[&str]) -> KafkaSource {
        KafkaSource {
            servers: servers.iter().map(|text| text.parse().unwrap()).collect(),
            topic: "orders".parse().unwrap(),
            group: None,
            begin: Begin::Latest,
            login: None,
            root_certificates: None,
        }
    }

    #[test]
    fn a_server_has_a_host_and_a_port() {
        let read: KafkaServer = "b1.example.com:9096".parse().unwrap();
        assert_eq!((&*read.host, read.port), ("b1.example.com", 9_096));
        let read: KafkaServer = "[::1]:9092".parse().unwrap();
        assert_eq!((&*read.host, read.is_loopback()), ("::1", true));
        for text in [
            "b1",
            "b1:",
            "b1:0",
            ":9092",
            "u:p@b1:9092",
            "kafka://b1:9092",
        ] {
            assert!(text.parse::<KafkaServer>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_topic_has_a_name_that_brokers_take() {
        for text in ["orders", "a.b_c-D9", &"x".repeat(249)] {
            assert!(text.parse::<TopicName>().is_ok(), "{text}");
        }
        for text in ["", ".", "..", "a b", "a/b", "ä", &"x".repeat(250)] {
            assert!(text.parse::<TopicName>().is_err(), "{text}");
        }
        assert!("a\nb".parse::<GroupName>().is_err());
    }

    #[test]
    fn the_same_brokers_are_the_same_in_any_order_and_a_group_has_a_place_of_its_own() {
        let one = source(&["a:1", "b:2"]);
        assert!(one.is_same(&source(&["b:2", "a:1"])));
        assert!(!one.is_same(&source(&["a:1"])));
        let grouped = KafkaSource {
            group: Some("g".parse().unwrap()),
            ..one.clone()
        };
        assert!(!one.is_same(&grouped));
    }

    #[test]
    fn what_is_secret_crosses_a_network_encrypted() {
        let arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:k";
        let secret: SecretArn = arn.parse().unwrap();
        let login = Some(KafkaLogin {
            mechanism: Mechanism::Plain,
            secret: secret.clone(),
        });
        for (servers, has_login, has_root, is_encrypted) in [
            (&["localhost:1"][..], true, false, false),
            (&["localhost:1", "b:2"], true, false, true),
            (&["b:2"], false, false, false),
            (&["b:2"], false, true, true),
            (&["localhost:1"], true, true, true),
        ] {
            let source = KafkaSource {
                login: login.clone().filter(|_| has_login),
                root_certificates: has_root.then(|| secret.clone()),
                ..source(servers)
            };
            assert_eq!(source.is_encrypted(), is_encrypted, "{servers:?}");
        }
    }
}
