//! A NATS server as an event source: where it is, what is heard of there, and who asks.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::endpoint::{self, Begin, TlsMode};
use crate::account::text_type;
use crate::name::InvalidName;
use crate::secret::SecretArn;

/// The port of a server whose address names none.
const PORT_DEFAULT: u16 = 4_222;
/// Longest name of a subject, a stream or a queue group that is taken.
const NAME_BYTES_MAX: usize = 249;

/// What is published to a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatsSource {
    /// The server.
    pub endpoint: NatsEndpoint,
    /// What is heard of.
    pub heard: Heard,
    /// The secret with the user's name and password, or with a token; none: the server lets anybody in.
    pub credentials: Option<SecretArn>,
    /// The secret with the certificates that vouch for the server's; none: those that this machine trusts.
    pub root_certificates: Option<SecretArn>,
}

/// What is heard of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Heard {
    /// What is published to these subjects. Nobody keeps that: what is published while nobody listens is not heard.
    Subjects {
        /// The subjects, with wildcards or without.
        subjects: Vec<NatsSubject>,
        /// Of all that listen in this group, one hears a message; none: everybody does.
        queue_group: Option<QueueGroup>,
    },
    /// What a stream of JetStream keeps of a subject. None is missed.
    Stream {
        /// The stream.
        stream: StreamName,
        /// Which of its messages.
        subject: NatsSubject,
        /// Where it begins.
        begin: Begin,
    },
}

/// `nats://<host>[:<port>][/<stream>][?sslmode=disable|require|verify-full]`. It holds no user and no password.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NatsEndpoint {
    text: Arc<str>,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The stream, if one is meant.
    pub stream: Option<StreamName>,
    /// How the connection is protected.
    pub tls: TlsMode,
}

/// A subject, such as `orders.eu` or `orders.*` or `orders.>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NatsSubject(Arc<str>);

/// The name of a stream.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamName(Arc<str>);

/// The name of a queue group.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QueueGroup(Arc<str>);

impl NatsSource {
    /// Whether both hear of the same.
    pub fn is_same(&self, other: &NatsSource) -> bool {
        let place = |source: &NatsSource| (source.endpoint.host.clone(), source.endpoint.port);
        let is_same = match (&self.heard, &other.heard) {
            (
                Heard::Stream {
                    stream, subject, ..
                },
                Heard::Stream {
                    stream: other,
                    subject: another,
                    ..
                },
            ) => stream == other && subject == another,
            (
                Heard::Subjects { subjects, .. },
                Heard::Subjects {
                    subjects: others, ..
                },
            ) => {
                let (mut one, mut another) = (subjects.clone(), others.clone());
                one.sort();
                another.sort();
                one == another
            }
            _ => false,
        };
        is_same && place(self) == place(other)
    }
}

impl Heard {
    /// The subjects that are heard of.
    pub fn subjects(&self) -> &[NatsSubject] {
        match self {
            Heard::Stream { subject, .. } => std::slice::from_ref(subject),
            Heard::Subjects { subjects, .. } => subjects,
        }
    }
}

impl NatsEndpoint {
    /// Whether the server is on this machine, so that what is sent to it crosses no network.
    pub fn is_loopback(&self) -> bool {
        endpoint::is_loopback(&self.host)
    }
}

impl FromStr for NatsEndpoint {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let wrong = |rule| InvalidName::new("NATS endpoint", text, rule);
        let rest = text.strip_prefix("nats://");
        let rest = rest.ok_or_else(|| wrong("must be nats://<host>:<port>"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, stream) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = endpoint::host_and_port(authority, PORT_DEFAULT).ok_or_else(|| {
            wrong("must have a host and perhaps a port before the stream, and nothing else")
        })?;
        let stream = match stream {
            "" => None,
            name => Some(name.parse()?),
        };
        let tls = TlsMode::read(&host, query).ok_or_else(|| {
            wrong("may end with ?sslmode=disable, require or verify-full, and nothing else")
        })?;
        Ok(Self {
            text: text.into(),
            host,
            port,
            stream,
            tls,
        })
    }
}

impl FromStr for NatsSubject {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let wrong = |rule| Err(InvalidName::new("NATS subject", text, rule));
        if !is_name(text) {
            return wrong("must have 1 to 249 bytes, none of them a space");
        }
        let tokens: Vec<&str> = text.split('.').collect();
        if tokens.iter().any(|token| token.is_empty()) {
            return wrong("must have something between its dots");
        }
        let is_wild = |token: &&str| token.contains(['*', '>']) && token.len() > 1;
        let ends_early = tokens[..tokens.len() - 1].contains(&">");
        if ends_early || tokens.iter().any(is_wild) {
            return wrong("must have wildcards alone between dots, and > as the last");
        }
        Ok(Self(text.into()))
    }
}

impl FromStr for StreamName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match is_name(text) && !text.contains(['.', '*', '>', '/', '\\']) {
            true => Ok(Self(text.into())),
            false => Err(InvalidName::new(
                "NATS stream",
                text,
                "must have 1 to 249 bytes, none of them a space or one of . * > / \\",
            )),
        }
    }
}

impl FromStr for QueueGroup {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match is_name(text) {
            true => Ok(Self(text.into())),
            false => Err(InvalidName::new(
                "NATS queue group",
                text,
                "must have 1 to 249 bytes, none of them a space",
            )),
        }
    }
}

fn is_name(text: &str) -> bool {
    let is_bad = |c: char| c.is_whitespace() || c.is_control();
    (1..=NAME_BYTES_MAX).contains(&text.len()) && !text.contains(is_bad)
}

/// What names have in common: they are written down and shown as they were given.
macro_rules! name {
    ($name:ident) => {
        impl $name {
            /// As it was written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        text_type!($name);
    };
}
name!(NatsSubject);
name!(StreamName);
name!(QueueGroup);

text_type!(NatsEndpoint, text);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn an_endpoint_names_host_port_and_perhaps_a_stream() {
        for (text, host, port, stream, tls) in [
            (
                "nats://mq.example.com",
                "mq.example.com",
                4_222,
                None,
                TlsMode::VerifyFull,
            ),
            (
                "nats://127.0.0.1:7000/ORDERS",
                "127.0.0.1",
                7_000,
                Some("ORDERS"),
                TlsMode::Disable,
            ),
            (
                "nats://mq/A?sslmode=require",
                "mq",
                4_222,
                Some("A"),
                TlsMode::Require,
            ),
        ] {
            let read: NatsEndpoint = text.parse().unwrap();
            let found = read.stream.as_ref().map(StreamName::as_str);
            assert_eq!(
                (&*read.host, read.port, found, read.tls),
                (host, port, stream, tls)
            );
            assert_eq!(read.to_string(), text);
        }
        for text in ["nats://", "nats://u:p@mq", "nats://mq/a.b", "tls://mq"] {
            assert!(text.parse::<NatsEndpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_subject_has_wildcards_only_where_the_server_takes_them() {
        for text in ["orders", "orders.*.new", "orders.>", ">", "*"] {
            assert_eq!(text.parse::<NatsSubject>().unwrap().as_str(), text);
        }
        let long = "a".repeat(250);
        for text in ["", "a b", "a..b", ".a", "a.", ">.a", "a.b*", "a>", &long] {
            assert!(text.parse::<NatsSubject>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_same_subjects_are_the_same_in_any_order_and_any_group() {
        let source = |heard| NatsSource {
            endpoint: "nats://localhost".parse().unwrap(),
            heard,
            credentials: None,
            root_certificates: None,
        };
        let subjects = |names: &[&str], group: Option<&str>| {
            source(Heard::Subjects {
                subjects: names.iter().map(|name| name.parse().unwrap()).collect(),
                queue_group: group.map(|name| name.parse().unwrap()),
            })
        };
        let stream = |subject: &str, begin| {
            source(Heard::Stream {
                stream: "S".parse().unwrap(),
                subject: subject.parse().unwrap(),
                begin,
            })
        };
        let one = subjects(&["a", "b"], None);
        assert!(one.is_same(&subjects(&["b", "a"], Some("g"))));
        assert!(!one.is_same(&subjects(&["a"], None)));
        assert!(!subjects(&["a"], None).is_same(&stream("a", Begin::Latest)));
        assert!(stream("a", Begin::Latest).is_same(&stream("a", Begin::TrimHorizon)));
        let text = serde_json::to_string(&stream("a", Begin::At(Timestamp::from_millis(5))));
        let read: NatsSource = serde_json::from_str(&text.unwrap()).unwrap();
        assert_eq!(read, stream("a", Begin::At(Timestamp::from_millis(5))));
    }
}
