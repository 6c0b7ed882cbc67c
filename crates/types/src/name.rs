//! Names of functions, versions and aliases.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::account::{AccountId, text_type};
use crate::limits;

/// The text is not a name of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} '{text}' {rule}")]
pub struct InvalidName {
    kind: &'static str,
    text: String,
    rule: &'static str,
}

/// A function's name: 1-64 letters, digits, `-` and `_`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FunctionName(Arc<str>);

/// An alias: 1-128 letters, digits, `-` and `_`, not digits only.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Alias(Arc<str>);

/// Which function, of whom: the key under which everything about a function is kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FunctionId {
    /// The owner.
    pub account: AccountId,
    /// Its name, unique within the account.
    pub name: FunctionName,
}

/// One immutable state of a function's code and configuration, or `$LATEST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Version {
    /// The unpublished, mutable one.
    #[default]
    Latest,
    /// A published one, counted from 1.
    Published(u64),
}

/// What a caller may put after a function's name: a version or an alias.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Qualifier {
    /// `$LATEST` or a number.
    Version(Version),
    /// A name that points at a version.
    Alias(Alias),
}

impl InvalidName {
    pub(crate) fn new(kind: &'static str, text: &str, rule: &'static str) -> Self {
        Self {
            kind,
            text: text.to_owned(),
            rule,
        }
    }
}

impl FunctionName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Alias {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_name(text: &str, length_max: usize) -> bool {
    (1..=length_max).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

impl FromStr for FunctionName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if is_name(text, limits::FUNCTION_NAME_LENGTH_MAX) {
            return Ok(Self(Arc::from(text)));
        }
        Err(InvalidName::new(
            "function name",
            text,
            "must be 1-64 letters, digits, - and _",
        ))
    }
}

impl FromStr for Alias {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let digits_only = text.bytes().all(|b| b.is_ascii_digit());
        if is_name(text, limits::ALIAS_LENGTH_MAX) && !digits_only {
            return Ok(Self(Arc::from(text)));
        }
        let rule = "must be 1-128 letters, digits, - and _, and not digits only";
        Err(InvalidName::new("alias", text, rule))
    }
}

impl FromStr for Version {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text == "$LATEST" {
            return Ok(Version::Latest);
        }
        match text.parse() {
            Ok(number) if number > 0 => Ok(Version::Published(number)),
            _ => Err(InvalidName::new(
                "version",
                text,
                "must be $LATEST or a number from 1",
            )),
        }
    }
}

impl FromStr for Qualifier {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match text.parse::<Version>() {
            Ok(version) => Ok(Qualifier::Version(version)),
            Err(_) => text.parse().map(Qualifier::Alias),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Version::Latest => f.write_str("$LATEST"),
            Version::Published(number) => write!(f, "{number}"),
        }
    }
}

impl fmt::Display for Qualifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Qualifier::Version(version) => version.fmt(f),
            Qualifier::Alias(alias) => alias.fmt(f),
        }
    }
}

impl fmt::Display for FunctionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.name)
    }
}

/// Versions and qualifiers are stored and shown as their text.
macro_rules! serde_as_text {
    ($name:ident) => {
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

text_type!(FunctionName);
text_type!(Alias);
serde_as_text!(Version);
serde_as_text!(Qualifier);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn function_name_takes_64_characters_and_no_more() {
        assert!("a".repeat(64).parse::<FunctionName>().is_ok());
        assert!("a".repeat(65).parse::<FunctionName>().is_err());
        assert!("".parse::<FunctionName>().is_err());
        assert!("a.b".parse::<FunctionName>().is_err());
    }

    #[test]
    fn qualifier_of_digits_is_a_version_and_of_letters_an_alias() {
        assert_eq!("7".parse(), Ok(Qualifier::Version(Version::Published(7))));
        assert_eq!("$LATEST".parse(), Ok(Qualifier::Version(Version::Latest)));
        assert!(matches!("live".parse(), Ok(Qualifier::Alias(_))));
        assert!("0".parse::<Qualifier>().is_err());
    }
}
