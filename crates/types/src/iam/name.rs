//! What identities are called, and where they are filed.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::account::text_type;
use crate::limits::{ENTITY_NAME_LENGTH_MAX, ENTITY_PATH_LENGTH_MAX};
use crate::name::InvalidName;

/// The name of an identity or of a policy of its own: 1-128 letters, digits and `_+=,.@-`. It is kept as it was given, and two that
/// differ in upper and lower case alone are the same.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntityName(Arc<str>);

/// Where an identity is filed: `/`, or names of folders with a slash before, between and after them.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntityPath(Arc<str>);

impl EntityName {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn folded(&self) -> impl Iterator<Item = u8> {
        self.0.bytes().map(|byte| byte.to_ascii_lowercase())
    }
}

impl EntityPath {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for EntityPath {
    fn default() -> Self {
        Self(Arc::from("/"))
    }
}

impl PartialEq for EntityName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for EntityName {}

impl Ord for EntityName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded().cmp(other.folded())
    }
}

impl PartialOrd for EntityName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for EntityName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_ascii_lowercase().hash(state);
    }
}

impl FromStr for EntityName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
        let fits = (1..=ENTITY_NAME_LENGTH_MAX).contains(&text.len());
        if fits && text.bytes().all(allowed) {
            return Ok(Self(Arc::from(text)));
        }
        let rule = "must be 1-128 letters, digits and _+=,.@-";
        Err(InvalidName::new("name", text, rule))
    }
}

impl FromStr for EntityPath {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let is_framed =
            text == "/" || (text.len() > 2 && text.starts_with('/') && text.ends_with('/'));
        let is_plain = text.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        if is_framed && is_plain && text.len() <= ENTITY_PATH_LENGTH_MAX {
            return Ok(Self(Arc::from(text)));
        }
        let rule = "must begin and end with / and have at most 512 characters";
        Err(InvalidName::new("path", text, rule))
    }
}

text_type!(EntityName);
text_type!(EntityPath);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_by_more_than_case_and_are_kept_as_given() {
        let name = |text: &str| text.parse::<EntityName>().unwrap();
        assert_eq!(name("Deploy"), name("dEPLOY"));
        assert_eq!(name("Deploy").as_str(), "Deploy");
        assert!(name("a") < name("B") && name("b") < name("C"));
        assert!("a".repeat(128).parse::<EntityName>().is_ok());
        for wrong in ["", "a b", "a/b", "ä", &"a".repeat(129)] {
            assert!(wrong.parse::<EntityName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn paths_begin_and_end_with_a_slash() {
        for right in ["/", "/a/", "/service-role/b/"] {
            assert!(right.parse::<EntityPath>().is_ok(), "{right}");
        }
        for wrong in ["", "a", "/a", "a/", "//", "/a b/"] {
            assert!(wrong.parse::<EntityPath>().is_err(), "{wrong}");
        }
    }
}
