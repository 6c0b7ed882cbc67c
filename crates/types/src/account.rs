//! Who owns a function and where it is: the account (a tenant) and the region.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::name::InvalidName;

/// A twelve-digit account number; an account is a tenant.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId(Arc<str>);

/// A region name such as `us-east-1`. Kiln serves one region, named in its configuration.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region(Arc<str>);

impl AccountId {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Region {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for AccountId {
    fn default() -> Self {
        Self(Arc::from("000000000000"))
    }
}

impl Default for Region {
    fn default() -> Self {
        Self(Arc::from("us-east-1"))
    }
}

impl FromStr for AccountId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(Self(Arc::from(text)));
        }
        Err(InvalidName::new(
            "account id",
            text,
            "must be twelve digits",
        ))
    }
}

impl FromStr for Region {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=32).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(Arc::from(text)));
        }
        Err(InvalidName::new(
            "region",
            text,
            "must be 1-32 of a-z, 0-9 and -",
        ))
    }
}

macro_rules! text_type {
    ($name:ident) => {
        crate::account::text_type!($name, 0);
    };
    ($name:ident, $text:tt) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.$text)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.$text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.$text.to_string()
            }
        }
    };
}
pub(crate) use text_type;

text_type!(AccountId);
text_type!(Region);
