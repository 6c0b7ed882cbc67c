//! An MQTT broker as an event source: where it is, which topics are heard of, and who asks.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::endpoint::{self, TlsMode};
use crate::account::text_type;
use crate::name::InvalidName;
use crate::secret::SecretArn;

/// The port of a broker whose address names none, plain and encrypted.
const PORT_PLAIN: u16 = 1_883;
const PORT_ENCRYPTED: u16 = 8_883;
/// Longest filter that is taken.
const FILTER_BYTES_MAX: usize = 249;

/// What is published to topics of a broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MqttSource {
    /// The broker.
    pub endpoint: MqttEndpoint,
    /// Which topics.
    pub filters: Vec<TopicFilter>,
    /// The secret with the user's name and password; none: the broker lets anybody in.
    pub credentials: Option<SecretArn>,
    /// The secret with the certificates that vouch for the broker's; none: those that this machine trusts.
    pub root_certificates: Option<SecretArn>,
}

/// `mqtt://<host>[:<port>][?sslmode=disable|require|verify-full]`. It holds no user and no password.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MqttEndpoint {
    text: Arc<str>,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: TlsMode,
}

/// Topics: one by its name, or with `+` for a level and `#` for all further ones.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TopicFilter(Arc<str>);

impl MqttSource {
    /// Whether both hear of the same.
    pub fn is_same(&self, other: &MqttSource) -> bool {
        let place = |source: &MqttSource| (source.endpoint.host.clone(), source.endpoint.port);
        let (mut one, mut another) = (self.filters.clone(), other.filters.clone());
        one.sort();
        another.sort();
        one == another && place(self) == place(other)
    }
}

impl MqttEndpoint {
    /// Whether the broker is on this machine, so that what is sent to it crosses no network.
    pub fn is_loopback(&self) -> bool {
        endpoint::is_loopback(&self.host)
    }
}

impl TopicFilter {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MqttEndpoint {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let wrong = |rule| InvalidName::new("MQTT endpoint", text, rule);
        let rest = text.strip_prefix("mqtt://");
        let rest = rest.ok_or_else(|| wrong("must be mqtt://<host>:<port>"))?;
        let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let place = |port| endpoint::host_and_port(authority, port);
        let (host, port) = place(PORT_PLAIN)
            .ok_or_else(|| wrong("must have a host and perhaps a port, and nothing else"))?;
        let tls = TlsMode::read(&host, query).ok_or_else(|| {
            wrong("may end with ?sslmode=disable, require or verify-full, and nothing else")
        })?;
        let port = match tls {
            TlsMode::Disable => port,
            _ => place(PORT_ENCRYPTED).map_or(port, |(_, port)| port),
        };
        Ok(Self {
            text: text.into(),
            host,
            port,
            tls,
        })
    }
}

impl FromStr for TopicFilter {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let wrong = |rule| Err(InvalidName::new("MQTT topic filter", text, rule));
        if !(1..=FILTER_BYTES_MAX).contains(&text.len()) || text.contains('\0') {
            return wrong("must have 1 to 249 bytes, none of them 0");
        }
        let levels: Vec<&str> = text.split('/').collect();
        let is_wild = |level: &&str| level.contains(['+', '#']) && level.len() > 1;
        let ends_early = levels[..levels.len() - 1].contains(&"#");
        match ends_early || levels.iter().any(is_wild) {
            true => wrong("must have wildcards alone between slashes, and # as the last"),
            false => Ok(Self(text.into())),
        }
    }
}

text_type!(MqttEndpoint, text);
text_type!(TopicFilter);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_names_host_and_port_which_is_another_where_it_is_encrypted() {
        for (text, host, port, tls) in [
            (
                "mqtt://mq.example.com",
                "mq.example.com",
                8_883,
                TlsMode::VerifyFull,
            ),
            ("mqtt://localhost/", "localhost", 1_883, TlsMode::Disable),
            ("mqtt://[::1]:7000", "::1", 7_000, TlsMode::Disable),
            (
                "mqtt://mq:1883?sslmode=require",
                "mq",
                1_883,
                TlsMode::Require,
            ),
        ] {
            let read: MqttEndpoint = text.parse().unwrap();
            assert_eq!((&*read.host, read.port, read.tls), (host, port, tls));
            assert_eq!(read.to_string(), text);
        }
        for text in ["mqtt://", "mqtt://u:p@mq", "mqtt://mq/topic", "mqtts://mq"] {
            assert!(text.parse::<MqttEndpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_filter_has_wildcards_only_where_brokers_take_them() {
        for text in ["a", "a/+/b", "a/#", "#", "+", "/", "$share/group/a/+"] {
            assert_eq!(text.parse::<TopicFilter>().unwrap().as_str(), text);
        }
        let long = "a".repeat(250);
        for text in ["", "a\0", "a/#/b", "a+", "a/b#", &long] {
            assert!(text.parse::<TopicFilter>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_same_topics_are_the_same_in_any_order() {
        let source = |filters: &[&str]| MqttSource {
            endpoint: "mqtt://localhost".parse().unwrap(),
            filters: filters.iter().map(|text| text.parse().unwrap()).collect(),
            credentials: None,
            root_certificates: None,
        };
        assert!(source(&["a", "b"]).is_same(&source(&["b", "a"])));
        assert!(!source(&["a", "b"]).is_same(&source(&["a"])));
    }
}
