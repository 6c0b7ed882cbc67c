//! A Redis or Valkey server as an event source: where it is, what is heard of there, and who asks.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::endpoint::{self, StartingPosition, TlsMode};
use crate::account::text_type;
use crate::name::InvalidName;
use crate::secret::SecretArn;

/// The port of a server whose address names none.
const PORT_DEFAULT: u16 = 6_379;
/// Longest name of a stream or pattern of keys that is taken.
const KEY_BYTES_MAX: usize = 249;

/// What happens in a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedisSource {
    /// The server and its database.
    pub endpoint: RedisEndpoint,
    /// What is heard of.
    pub heard: Heard,
    /// The secret with the user's name and password; none: the server lets anybody in.
    pub credentials: Option<SecretArn>,
    /// The secret with the certificates that vouch for the server's; none: those that this machine trusts.
    pub root_certificates: Option<SecretArn>,
}

/// What is heard of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Heard {
    /// Entries of a stream. The server keeps them, so that none is missed.
    Stream {
        /// Its key.
        key: KeyName,
        /// Where it begins.
        starting_position: StartingPosition,
    },
    /// That keys of these patterns change. Nobody keeps that: what happens while nobody listens is not heard.
    Keys {
        /// The patterns, as of `PSUBSCRIBE`.
        patterns: Vec<KeyName>,
    },
}

/// `redis://<host>[:<port>][/<database>][?sslmode=disable|require|verify-full]`, or `valkey://`. It holds no user and no
/// password.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RedisEndpoint {
    text: Arc<str>,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The database's number.
    pub database: u32,
    /// How the connection is protected.
    pub tls: TlsMode,
}

/// The key of a stream, or a pattern of keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyName(Arc<str>);

impl RedisSource {
    /// Whether both hear of the same.
    pub fn is_same(&self, other: &RedisSource) -> bool {
        let place = |source: &RedisSource| {
            let endpoint = &source.endpoint;
            (endpoint.host.clone(), endpoint.port, endpoint.database)
        };
        let is_same = match (&self.heard, &other.heard) {
            (Heard::Stream { key, .. }, Heard::Stream { key: another, .. }) => key == another,
            (Heard::Keys { patterns }, Heard::Keys { patterns: others }) => {
                let (mut one, mut another) = (patterns.clone(), others.clone());
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
    /// The names of what is heard of.
    pub fn names(&self) -> &[KeyName] {
        match self {
            Heard::Stream { key, .. } => std::slice::from_ref(key),
            Heard::Keys { patterns } => patterns,
        }
    }
}

impl RedisEndpoint {
    /// Whether the server is on this machine, so that what is sent to it crosses no network.
    pub fn is_loopback(&self) -> bool {
        endpoint::is_loopback(&self.host)
    }
}

impl KeyName {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RedisEndpoint {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let wrong = |rule| InvalidName::new("Redis endpoint", text, rule);
        let rest = ["redis://", "valkey://"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme));
        let rest = rest.ok_or_else(|| wrong("must be redis://<host>:<port>/<database>"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, "0"));
        let (host, port) = endpoint::host_and_port(authority, PORT_DEFAULT).ok_or_else(|| {
            wrong("must have a host and perhaps a port before the database, and nothing else")
        })?;
        let is_number = database.bytes().all(|byte| byte.is_ascii_digit());
        let database = database.parse().ok().filter(|_| is_number);
        let database = database.ok_or_else(|| wrong("must name a database by its number"))?;
        let tls = TlsMode::read(&host, query).ok_or_else(|| {
            wrong("may end with ?sslmode=disable, require or verify-full, and nothing else")
        })?;
        Ok(Self {
            text: text.into(),
            host,
            port,
            database,
            tls,
        })
    }
}

impl FromStr for KeyName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match (1..=KEY_BYTES_MAX).contains(&text.len()) {
            true => Ok(Self(text.into())),
            false => Err(InvalidName::new("key", text, "must have 1 to 249 bytes")),
        }
    }
}

text_type!(RedisEndpoint, text);
text_type!(KeyName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_names_host_port_and_database() {
        for (text, host, port, database, tls) in [
            (
                "redis://db.example.com",
                "db.example.com",
                6_379,
                0,
                TlsMode::VerifyFull,
            ),
            (
                "valkey://127.0.0.1:7000/3",
                "127.0.0.1",
                7_000,
                3,
                TlsMode::Disable,
            ),
            (
                "redis://db:7000/2?sslmode=require",
                "db",
                7_000,
                2,
                TlsMode::Require,
            ),
        ] {
            let read: RedisEndpoint = text.parse().unwrap();
            let found = (&*read.host, read.port, read.database, read.tls);
            assert_eq!(found, (host, port, database, tls), "{text}");
            assert_eq!(read.to_string(), text);
        }
        for text in [
            "redis://",
            "redis://u:p@db",
            "redis://db/x",
            "redis://db/+1",
            "http://db",
        ] {
            assert!(text.parse::<RedisEndpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_same_keys_are_the_same_in_any_order() {
        let source = |patterns: &[&str]| RedisSource {
            endpoint: "redis://db".parse().unwrap(),
            heard: Heard::Keys {
                patterns: patterns.iter().map(|text| text.parse().unwrap()).collect(),
            },
            credentials: None,
            root_certificates: None,
        };
        assert!(source(&["a:*", "b"]).is_same(&source(&["b", "a:*"])));
        assert!(!source(&["a:*"]).is_same(&source(&["b"])));
        let stream = RedisSource {
            heard: Heard::Stream {
                key: "b".parse().unwrap(),
                starting_position: StartingPosition::Latest,
            },
            ..source(&["b"])
        };
        assert!(!source(&["b"]).is_same(&stream));
        assert!("".parse::<KeyName>().is_err());
    }
}
