//! A queue of a RabbitMQ broker as an event source: where it is and who asks.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::endpoint;
use crate::account::text_type;
use crate::name::InvalidName;
use crate::secret::SecretArn;

/// The ports of brokers whose addresses name none.
const PORT_DEFAULT: u16 = 5_672;
const TLS_PORT_DEFAULT: u16 = 5_671;
/// Longest name of a queue or of a virtual host: the protocol's short strings have no more.
const NAME_BYTES_MAX: usize = 255;

/// Messages of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RabbitMqSource {
    /// The broker.
    pub endpoint: AmqpEndpoint,
    /// The virtual host that the queue is in; none: the default one.
    pub virtual_host: Option<BrokerName>,
    /// The queue, which must be there.
    pub queue: BrokerName,
    /// The secret with the user's name and password.
    pub credentials: SecretArn,
    /// The secret with the certificates that vouch for the broker's; none: those that this machine trusts.
    pub root_certificates: Option<SecretArn>,
}

/// `amqps://<host>[:<port>]`, or `amqp://` for a broker on this machine. It holds no user and no password.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AmqpEndpoint {
    text: Arc<str>,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether the connection is encrypted, and the broker proves its name.
    pub is_encrypted: bool,
}

/// The name of a queue or of a virtual host.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BrokerName(Arc<str>);

impl RabbitMqSource {
    /// The virtual host's name.
    pub fn virtual_host(&self) -> &str {
        self.virtual_host.as_ref().map_or("/", BrokerName::as_str)
    }

    /// Whether both have the same messages.
    pub fn is_same(&self, other: &RabbitMqSource) -> bool {
        let place = |source: &RabbitMqSource| (source.endpoint.host.clone(), source.endpoint.port);
        place(self) == place(other)
            && self.virtual_host() == other.virtual_host()
            && self.queue == other.queue
    }
}

impl BrokerName {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AmqpEndpoint {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let wrong = |rule| InvalidName::new("RabbitMQ endpoint", text, rule);
        let schemes = [
            ("amqps://", true, TLS_PORT_DEFAULT),
            ("amqp://", false, PORT_DEFAULT),
        ];
        let read = schemes.iter().find_map(|(scheme, is_encrypted, port)| {
            Some((text.strip_prefix(scheme)?, *is_encrypted, *port))
        });
        let (rest, is_encrypted, port) =
            read.ok_or_else(|| wrong("must be amqps://<host>:<port>"))?;
        let (host, port) = endpoint::host_and_port(rest, port).ok_or_else(|| {
            wrong("must have a host and perhaps a port, and nothing else: VIRTUAL_HOST names a virtual host")
        })?;
        // The protocol sends the password itself.
        if !is_encrypted && !endpoint::is_loopback(&host) {
            return Err(wrong(
                "must begin with amqps://: amqp:// is for brokers on this machine",
            ));
        }
        Ok(Self {
            text: text.into(),
            host,
            port,
            is_encrypted,
        })
    }
}

impl FromStr for BrokerName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let is_plain = !text.contains(char::is_control);
        match (1..=NAME_BYTES_MAX).contains(&text.len()) && is_plain {
            true => Ok(Self(text.into())),
            false => Err(InvalidName::new(
                "name",
                text,
                "must have 1 to 255 bytes, none of them a control character",
            )),
        }
    }
}

text_type!(AmqpEndpoint, text);
text_type!(BrokerName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_names_host_and_port_and_is_encrypted_where_it_leaves_the_machine() {
        for (text, host, port, is_encrypted) in [
            ("amqp://localhost", "localhost", 5_672, false),
            ("amqp://[::1]:7000", "::1", 7_000, false),
            ("amqps://mq.example.com", "mq.example.com", 5_671, true),
            ("amqps://127.0.0.1:7001", "127.0.0.1", 7_001, true),
        ] {
            let read: AmqpEndpoint = text.parse().unwrap();
            let found = (&*read.host, read.port, read.is_encrypted);
            assert_eq!(found, (host, port, is_encrypted), "{text}");
            assert_eq!(read.to_string(), text);
        }
        for text in [
            "amqp://",
            "amqp://mq.example.com",
            "amqps://u:p@mq",
            "amqps://mq/vhost",
            "amqps://mq:0",
            "redis://mq",
        ] {
            assert!(text.parse::<AmqpEndpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_default_virtual_host_is_the_same_told_or_not() {
        let source = |virtual_host: Option<&str>, queue: &str| RabbitMqSource {
            endpoint: "amqp://localhost".parse().unwrap(),
            virtual_host: virtual_host.map(|name| name.parse().unwrap()),
            queue: queue.parse().unwrap(),
            credentials: "arn:aws:secretsmanager:us-east-1:000000000000:secret:mq"
                .parse()
                .unwrap(),
            root_certificates: None,
        };
        assert!(source(None, "orders").is_same(&source(Some("/"), "orders")));
        assert!(!source(None, "orders").is_same(&source(Some("shop"), "orders")));
        assert!(!source(None, "orders").is_same(&source(None, "bills")));
        assert!("a\nb".parse::<BrokerName>().is_err());
    }
}
