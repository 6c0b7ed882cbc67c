//! Names of HTTP APIs, of their parts, and of stages.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::account::text_type;
use crate::name::InvalidName;

/// Letters of an API's id; AWS's have as many.
const API_ID_LENGTH: usize = 10;
/// Letters of a part's id; AWS's have six or seven.
const PART_ID_LENGTH: usize = 7;
/// Longest id of a part that is looked for.
const PART_ID_LENGTH_MAX: usize = 16;
/// Longest name of a stage (service model, `StringWithLengthBetween1And128`).
const STAGE_NAME_LENGTH_MAX: usize = 128;
/// The stage that needs no part of the path.
const DEFAULT_STAGE: &str = "$default";

/// An HTTP API's id, the first label of its host: ten lower-case letters and digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ApiId(Arc<str>);

/// Names a route, an integration, an authorizer or a deployment within its API.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PartId(Arc<str>);

/// A stage's name: `$default`, or 1-128 letters, digits, `-` and `_`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StageName(Arc<str>);

impl ApiId {
    /// A fresh one.
    pub fn random() -> Self {
        Self(Arc::from(random(API_ID_LENGTH)))
    }

    /// The label.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartId {
    /// A fresh one.
    pub fn random() -> Self {
        Self(Arc::from(random(PART_ID_LENGTH)))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl StageName {
    /// The stage that needs no part of the path.
    pub fn default_stage() -> Self {
        Self(Arc::from(DEFAULT_STAGE))
    }

    /// Whether requests need no part of their path to reach it.
    pub fn is_default(&self) -> bool {
        &*self.0 == DEFAULT_STAGE
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Lower-case letters and digits.
fn random(length: usize) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    // The last 62 bits of a random UUID are random; ten letters take 52.
    let mut bits = Uuid::new_v4().as_u64_pair().1 & (u64::MAX >> 2);
    let mut text = String::with_capacity(length);
    for _ in 0..length {
        text.push(char::from(DIGITS[(bits % 36) as usize]));
        bits /= 36;
    }
    text
}

fn is_id(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

impl FromStr for ApiId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.len() == API_ID_LENGTH && is_id(text) {
            return Ok(Self(Arc::from(text)));
        }
        Err(InvalidName::new(
            "API id",
            text,
            "must be 10 of a-z and 0-9",
        ))
    }
}

impl FromStr for PartId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if (1..=PART_ID_LENGTH_MAX).contains(&text.len()) && is_id(text) {
            return Ok(Self(Arc::from(text)));
        }
        Err(InvalidName::new(
            "id of an API's part",
            text,
            "must be 1-16 of a-z and 0-9",
        ))
    }
}

impl FromStr for StageName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let is_name =
            (1..=STAGE_NAME_LENGTH_MAX).contains(&text.len()) && text.bytes().all(allowed);
        if is_name || text == DEFAULT_STAGE {
            return Ok(Self(Arc::from(text)));
        }
        Err(InvalidName::new(
            "stage name",
            text,
            "must be $default, or 1-128 letters, digits, - and _",
        ))
    }
}

text_type!(ApiId);
text_type!(PartId);
text_type!(StageName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_ids_are_valid_and_differ() {
        let (first, second) = (ApiId::random(), ApiId::random());
        assert_ne!(first, second);
        assert_eq!(first.as_str().parse(), Ok(first));
        let part = PartId::random();
        assert_eq!(part.as_str().parse(), Ok(part.clone()));
        assert_eq!(part.as_str().len(), PART_ID_LENGTH);
    }

    #[test]
    fn ids_that_no_api_can_have_are_refused() {
        for text in ["", "a1b2c3d4e", "a1b2c3d4e5f", "A1b2c3d4e5", "a1b2c3d4e."] {
            assert!(text.parse::<ApiId>().is_err(), "{text}");
        }
        assert!("integrations/a".parse::<PartId>().is_err());
    }

    #[test]
    fn stages_have_names_that_a_path_can_hold() {
        for text in ["$default", "prod", "v1_2-beta"] {
            assert!(text.parse::<StageName>().is_ok(), "{text}");
        }
        for text in ["", "$prod", "a/b", "a.b", "a b"] {
            assert!(text.parse::<StageName>().is_err(), "{text}");
        }
        assert!(StageName::default_stage().is_default());
    }
}
