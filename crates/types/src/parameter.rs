//! Parameters of Systems Manager's Parameter Store: their names, versions and labels. What they say is not here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::account::{AccountId, Region, text_type};
use crate::clock::Timestamp;
use crate::limits::{PARAMETER_LABEL_LENGTH_MAX, PARAMETER_LABELS_MAX, PARAMETER_NAME_LENGTH_MAX};
use crate::name::InvalidName;

/// A parameter's name: 1-1,011 letters, digits and `.-_/`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ParameterName(Arc<str>);

/// Which parameter, of whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ParameterId {
    /// The owner.
    pub account: AccountId,
    /// Its name, unique within the account.
    pub name: ParameterName,
}

/// A parameter, but for what it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Which.
    pub id: ParameterId,
    /// The number of its latest version; versions are counted from 1.
    pub version: u64,
    /// The number of the oldest version that is still kept.
    pub oldest: u64,
    /// The latest version.
    pub latest: ParameterVersion,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Labels, and the version at which each stands.
    pub labels: BTreeMap<String, u64>,
}

/// A version of a parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParameterVersion {
    /// What kind of text it is.
    pub kind: ParameterKind,
    /// How large it may be.
    pub tier: ParameterTier,
    /// The owner's words.
    pub description: Option<String>,
    /// The pattern that its value matched.
    pub allowed_pattern: Option<String>,
    /// The key that the owner named, which is given back and not used.
    pub key_id: Option<String>,
    /// What the text stands for, such as `text`.
    pub data_type: String,
    /// When it was made.
    pub modified: Timestamp,
    /// The principal that made it.
    pub by: String,
}

/// What kind of text a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParameterKind {
    /// Any.
    Text,
    /// Texts with commas between them.
    List,
    /// What only those see who ask for it to be opened.
    Secret,
}

/// How large a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParameterTier {
    /// 4 KiB.
    Standard,
    /// 8 KiB.
    Advanced,
}

/// The version has as many labels as it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a version of a parameter has at most {} labels", PARAMETER_LABELS_MAX)]
pub struct TooManyLabels;

impl Parameter {
    /// The labels that stand at a version.
    pub fn labels_of(&self, version: u64) -> impl Iterator<Item = &str> {
        let labels = self.labels.iter();
        labels.filter_map(move |(label, at)| (*at == version).then_some(label.as_str()))
    }

    /// Moves labels to a version, from wherever they are.
    pub fn label(&mut self, version: u64, labels: BTreeSet<String>) -> Result<(), TooManyLabels> {
        let new = labels
            .iter()
            .filter(|label| self.labels.get(*label) != Some(&version));
        if self.labels_of(version).count() + new.count() > PARAMETER_LABELS_MAX {
            return Err(TooManyLabels);
        }
        self.labels
            .extend(labels.into_iter().map(|label| (label, version)));
        Ok(())
    }

    /// Whether a version is still kept.
    pub fn has(&self, version: u64) -> bool {
        (self.oldest..=self.version).contains(&version)
    }
}

impl ParameterId {
    /// The parameter's ARN, in which its name has no slash in front.
    pub fn arn(&self, region: &Region) -> String {
        let ParameterId { account, name } = self;
        let name = name.as_str().trim_start_matches('/');
        format!("arn:aws:ssm:{region}:{account}:parameter/{name}")
    }
}

/// Whether a text can be a label: 1-100 letters, digits and `.-_` that begin neither with a digit nor with `aws` or `ssm`.
pub fn is_label(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
    (1..=PARAMETER_LABEL_LENGTH_MAX).contains(&text.len())
        && text.bytes().all(allowed)
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && !begins_as_reserved(text)
}

/// Whether a text begins as AWS reserves it, in any case.
pub fn begins_as_reserved(text: &str) -> bool {
    let begin = text.get(..3).unwrap_or_default();
    ["aws", "ssm"]
        .iter()
        .any(|reserved| begin.eq_ignore_ascii_case(reserved))
}

impl ParameterName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it lies below a path, which ends with a slash: at any depth, or just below.
    pub fn is_below(&self, path: &str, is_recursive: bool) -> bool {
        let rest = self.as_str().strip_prefix(path);
        rest.is_some_and(|rest| !rest.is_empty() && (is_recursive || !rest.contains('/')))
    }
}

impl FromStr for ParameterName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b".-_/".contains(&b);
        if (1..=PARAMETER_NAME_LENGTH_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(Arc::from(text)));
        }
        let rule = "must be 1-1011 letters, digits and .-_/";
        Err(InvalidName::new("parameter name", text, rule))
    }
}

text_type!(ParameterName);

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter() -> Parameter {
        Parameter {
            id: ParameterId {
                account: "000000000000".parse().unwrap(),
                name: "/shop/db".parse().unwrap(),
            },
            version: 3,
            oldest: 1,
            latest: ParameterVersion {
                kind: ParameterKind::Text,
                tier: ParameterTier::Standard,
                description: None,
                allowed_pattern: None,
                key_id: None,
                data_type: "text".to_owned(),
                modified: Timestamp::from_millis(0),
                by: String::new(),
            },
            tags: BTreeMap::new(),
            labels: BTreeMap::new(),
        }
    }

    fn set(labels: &[&str]) -> BTreeSet<String> {
        labels.iter().map(|label| (*label).to_owned()).collect()
    }

    #[test]
    fn a_label_stands_at_one_version() {
        let mut parameter = parameter();
        parameter.label(1, set(&["prod", "beta"])).unwrap();
        parameter.label(3, set(&["prod"])).unwrap();
        assert_eq!(parameter.labels_of(1).collect::<Vec<_>>(), ["beta"]);
        assert_eq!(parameter.labels_of(3).collect::<Vec<_>>(), ["prod"]);
    }

    #[test]
    fn a_version_has_ten_labels_at_most() {
        let mut parameter = parameter();
        let ten: Vec<String> = (0..10).map(|n| format!("l{n}")).collect();
        let ten: Vec<&str> = ten.iter().map(String::as_str).collect();
        parameter.label(1, set(&ten)).unwrap();
        parameter.label(1, set(&ten[..2])).unwrap();
        assert_eq!(parameter.label(1, set(&["more"])), Err(TooManyLabels));
    }

    #[test]
    fn labels_and_names_begin_as_nothing_that_is_reserved() {
        for label in ["prod", "v1.2-rc_3"] {
            assert!(is_label(label), "{label}");
        }
        for label in ["", "1st", "aws-x", "SSMx", "a b", "a/b", &"x".repeat(101)] {
            assert!(!is_label(label), "{label}");
        }
        assert!(begins_as_reserved("AWSthing") && !begins_as_reserved("äws"));
    }

    #[test]
    fn a_path_has_what_is_just_below_it_and_deeper() {
        let name: ParameterName = "/shop/db/password".parse().unwrap();
        assert!(name.is_below("/shop/db/", false));
        assert!(!name.is_below("/shop/", false) && name.is_below("/shop/", true));
        assert!(name.is_below("/", true));
        assert!(!name.is_below("/shop/d/", true));
        assert!(!name.is_below("/shop/db/password/", true));
    }

    #[test]
    fn an_arn_has_one_slash() {
        let region = "us-east-1".parse().unwrap();
        let arn = "arn:aws:ssm:us-east-1:000000000000:parameter/shop/db";
        assert_eq!(parameter().id.arn(&region), arn);
    }
}
