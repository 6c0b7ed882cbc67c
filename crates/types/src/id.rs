//! Identifiers that Kiln hands out.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::account::text_type;
use crate::name::InvalidName;

/// Names one invocation, from its acceptance to its outcome, retries included.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(Uuid);

/// Names one message of a message queue, from when it is sent to when it is deleted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(Uuid);

/// Changes whenever a function, alias or policy changes; callers state it to avoid lost updates.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RevisionId(Uuid);

/// Names an event source mapping.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MappingId(Uuid);

/// Names a subscription of a topic.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionId(Uuid);

/// Names one execution environment for as long as this process lives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InstanceId(pub u64);

/// The host label of a function URL: 32 lower-case letters and digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UrlId(Arc<str>);

impl RequestId {
    /// The id with these bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// A number from 0 to less than 1, as random as the id.
    pub(crate) fn fraction(self) -> f64 {
        // The first half of a random UUID's bits before its version are random.
        let bits = (self.0.as_u128() >> 96) as u32;
        f64::from(bits) / 4_294_967_296.0
    }
}

impl MessageId {
    /// The id with these bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl UrlId {
    /// A fresh one.
    pub fn random() -> Self {
        Self(Arc::from(Uuid::new_v4().simple().to_string()))
    }

    /// The label.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UrlId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if text.len() == 32 && text.bytes().all(allowed) {
            return Ok(Self(Arc::from(text)));
        }
        Err(InvalidName::new(
            "URL id",
            text,
            "must be 32 of a-z and 0-9",
        ))
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "i-{:08x}", self.0)
    }
}

impl fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

text_type!(UrlId);

macro_rules! uuid_type {
    ($name:ident, $kind:literal) => {
        impl $name {
            /// A fresh random (version 4) one.
            pub fn random() -> Self {
                Self(Uuid::new_v4())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                match Uuid::try_parse(text) {
                    Ok(uuid) => Ok(Self(uuid)),
                    Err(_) => Err(InvalidName::new($kind, text, "must be a UUID")),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

impl SubscriptionId {
    /// The id with these bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl MappingId {
    /// Its 32 hexadecimal digits, for names that take no hyphens.
    pub fn simple(self) -> String {
        self.0.as_simple().to_string()
    }

    /// A number that differs between mappings, for what must not be random.
    pub fn seed(self) -> u64 {
        self.0.as_u64_pair().1
    }
}

uuid_type!(RequestId, "request id");
uuid_type!(MessageId, "message id");
uuid_type!(SubscriptionId, "subscription id");
uuid_type!(MappingId, "UUID of an event source mapping");
uuid_type!(RevisionId, "revision id");
