//! Buckets of objects: their names, and who is told of what happens to the objects in them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::account::{AccountId, text_type};
use crate::bus::Recipient;
use crate::clock::Timestamp;
use crate::name::InvalidName;

/// A bucket's name, unique on the server: 3-63 of a-z, 0-9, `-` and `.`, a letter or digit first and last; no two
/// dots in a row, no IP address, and nothing that S3 keeps for itself.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BucketName(Arc<str>);

/// What the ARN of a bucket begins with: it names no region and no account.
const ARN: &str = "arn:aws:s3:::";

/// Which bucket: a name is free again once its bucket is removed, and the next one may be somebody else's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BucketId {
    /// Its name.
    pub name: BucketName,
    /// Its owner.
    pub account: AccountId,
    /// When it was made.
    pub created: Timestamp,
}

/// A bucket as its owner described it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Which.
    pub name: BucketName,
    /// The owner.
    pub account: AccountId,
    /// When it was made.
    pub created: Timestamp,
    /// Whether objects that are replaced or deleted stay as versions.
    #[serde(default)]
    pub versioning: Versioning,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Who is told of what happens to its objects.
    #[serde(default)]
    pub notifications: Notifications,
    /// Who of the account may what with it, as a policy's document.
    #[serde(default)]
    pub policy: Option<String>,
    /// What policies may not say; none where that was taken away.
    #[serde(default)]
    pub public_access_block: Option<PublicAccessBlock>,
}

/// What a bucket's grants and policies may not say. Nobody without credentials gets in here, whatever they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicAccessBlock {
    /// Grants to everybody are refused.
    pub block_public_acls: bool,
    /// Grants to everybody do not count.
    pub ignore_public_acls: bool,
    /// Policies that let everybody in are refused.
    pub block_public_policy: bool,
    /// Policies that let everybody in count for the account alone.
    pub restrict_public_buckets: bool,
}

impl PublicAccessBlock {
    /// What a new bucket has.
    pub const ALL: Self = Self {
        block_public_acls: true,
        ignore_public_acls: true,
        block_public_policy: true,
        restrict_public_buckets: true,
    };
}

/// Whether objects that are replaced or deleted stay as versions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Versioning {
    /// They do not, and never did.
    #[default]
    Off,
    /// They do.
    Enabled,
    /// They no longer do; versions of before are still there.
    Suspended,
}

/// Who is told of what happens to a bucket's objects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notifications {
    /// Functions, queues and topics.
    pub rules: Vec<NotificationRule>,
    /// Whether the account's default bus is told of everything.
    pub on_bus: bool,
}

/// Who is told of some of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationRule {
    /// Its name, unique in the bucket.
    pub id: String,
    /// A function, a queue or a topic.
    pub to: Recipient,
    /// What it is told of, as S3 calls it: `s3:ObjectCreated:*`, `s3:ObjectRemoved:Delete`.
    pub events: Vec<String>,
    /// What keys must begin with.
    #[serde(default)]
    pub prefix: Option<String>,
    /// What keys must end with.
    #[serde(default)]
    pub suffix: Option<String>,
}

impl Bucket {
    /// Which it is.
    pub fn id(&self) -> BucketId {
        BucketId {
            name: self.name.clone(),
            account: self.account.clone(),
            created: self.created,
        }
    }
}

impl BucketName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `arn:aws:s3:::<name>`.
    pub fn arn(&self) -> String {
        format!("{ARN}{}", self.0)
    }

    /// Reads what [`Self::arn`] writes.
    pub fn from_arn(text: &str) -> Result<Self, InvalidName> {
        let name = text.strip_prefix(ARN);
        let name = name.ok_or_else(|| {
            InvalidName::new("bucket ARN", text, "it must be arn:aws:s3:::<bucket>")
        });
        name?.parse()
    }
}

impl NotificationRule {
    /// Whether it is told of an event, such as `ObjectCreated:Put`, of a key.
    pub fn wants(&self, event: &str, key: &str) -> bool {
        let is_meant = |wanted: &String| {
            let wanted = wanted.strip_prefix("s3:").unwrap_or(wanted);
            match wanted.strip_suffix('*') {
                Some(kind) => event.starts_with(kind),
                None => wanted == event,
            }
        };
        let begins = self
            .prefix
            .as_ref()
            .is_none_or(|it| key.starts_with(it.as_str()));
        let ends = self
            .suffix
            .as_ref()
            .is_none_or(|it| key.ends_with(it.as_str()));
        begins && ends && self.events.iter().any(is_meant)
    }
}

impl FromStr for BucketName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        // What S3 keeps for access points, directory buckets and the like ("General purpose bucket naming rules").
        const PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
        const SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];
        let is_edge = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let is_inner = |b: u8| is_edge(&b) || b == b'-' || b == b'.';
        let bytes = text.as_bytes();
        let is_name = (3..=63).contains(&text.len())
            && bytes.iter().all(|b| is_inner(*b))
            && bytes.first().is_some_and(is_edge)
            && bytes.last().is_some_and(is_edge)
            && !text.contains("..")
            && text.parse::<std::net::Ipv4Addr>().is_err()
            && !PREFIXES.iter().any(|it| text.starts_with(it))
            && !SUFFIXES.iter().any(|it| text.ends_with(it));
        if is_name {
            return Ok(Self(Arc::from(text)));
        }
        let rule = "must be 3-63 of a-z, 0-9, - and ., a letter or digit first and last";
        Err(InvalidName::new("bucket name", text, rule))
    }
}

text_type!(BucketName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_s3_takes() {
        for name in ["abc", "my-bucket.of.things", "0zz", &"a".repeat(63)] {
            assert!(name.parse::<BucketName>().is_ok(), "{name}");
        }
        let long = "a".repeat(64);
        for name in [
            "",
            "ab",
            &long,
            "Abc",
            "a_b",
            "-abc",
            "abc-",
            "a..b",
            "192.168.5.4",
            "xn--abc",
            "abc--x-s3",
            "../abc",
        ] {
            assert!(name.parse::<BucketName>().is_err(), "{name}");
        }
    }

    #[test]
    fn a_rule_wants_its_events_of_its_keys() {
        let rule = NotificationRule {
            id: "r".to_owned(),
            to: "arn:aws:sqs:us-east-1:000000000000:q".parse().unwrap(),
            events: vec![
                "s3:ObjectCreated:*".to_owned(),
                "s3:ObjectRemoved:Delete".to_owned(),
            ],
            prefix: Some("in/".to_owned()),
            suffix: Some(".png".to_owned()),
        };
        assert!(rule.wants("ObjectCreated:Copy", "in/a.png"));
        assert!(rule.wants("ObjectRemoved:Delete", "in/a.png"));
        assert!(!rule.wants("ObjectRemoved:DeleteMarkerCreated", "in/a.png"));
        assert!(!rule.wants("ObjectCreated:Put", "in/a.jpg"));
        assert!(!rule.wants("ObjectCreated:Put", "a.png"));
    }
}
