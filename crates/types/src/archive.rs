//! Archives of event buses, and replays of what is in them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::account::{AccountId, Region, text_type};
use crate::bus::BusId;
use crate::clock::Timestamp;
use crate::limits;
use crate::name::InvalidName;

/// An archive's name: 1-48 letters, digits, `.`, `-` and `_`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArchiveName(Arc<str>);

/// A replay's name: 1-64 letters, digits, `.`, `-` and `_`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReplayName(Arc<str>);

/// Which archive, of whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ArchiveId {
    /// The owner.
    pub account: AccountId,
    /// Its name, unique within the account.
    pub name: ArchiveName,
}

/// Which replay, of whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReplayId {
    /// The owner.
    pub account: AccountId,
    /// Its name, unique within the account.
    pub name: ReplayName,
}

/// An archive as its owner described it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archive {
    /// Which.
    pub id: ArchiveId,
    /// The bus whose events it keeps.
    pub bus: BusId,
    /// The owner's words.
    #[serde(default)]
    pub description: Option<String>,
    /// Which events: a pattern that is valid; none means all.
    #[serde(default)]
    pub pattern: Option<String>,
    /// How long it keeps them; 0 means for ever.
    #[serde(default)]
    pub retention_days: u32,
    /// The key with which its owner wants it encrypted, as it was given.
    #[serde(default)]
    pub key: Option<String>,
    /// When it was made.
    pub created: Timestamp,
}

/// A replay: what is in an archive goes to its bus once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// Which.
    pub id: ReplayId,
    /// From which archive.
    pub archive: ArchiveId,
    /// To which bus.
    pub bus: BusId,
    /// The rules that alone get it, by their ARNs; none means all.
    #[serde(default)]
    pub rules: Vec<String>,
    /// The owner's words.
    #[serde(default)]
    pub description: Option<String>,
    /// Events that happened then or later.
    pub from: Timestamp,
    /// Events that happened before.
    pub until: Timestamp,
    /// How far it is.
    pub state: ReplayState,
    /// Why it failed.
    #[serde(default)]
    pub reason: Option<String>,
    /// When the last event happened that was sent.
    #[serde(default)]
    pub last: Option<Timestamp>,
    /// When it was started.
    pub started: Timestamp,
    /// When it ended.
    #[serde(default)]
    pub ended: Option<Timestamp>,
}

/// How far a replay is.
///
/// ```text
///  Starting ──► Running ──► Completed
///      │           │   └──► Failed
///      └──► Cancelling ───► Cancelled
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReplayState {
    /// Nothing was sent yet.
    Starting,
    /// Some was, or may have been.
    Running,
    /// Its owner wants it to end.
    Cancelling,
    /// Its owner had it end.
    Cancelled,
    /// All was sent.
    Completed,
    /// It could not go on.
    Failed,
}

impl ArchiveName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ReplayName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ArchiveId {
    /// Its ARN in a region.
    pub fn arn(&self, region: &Region) -> String {
        let Self { account, name } = self;
        format!("arn:aws:events:{region}:{account}:archive/{name}")
    }
}

impl ReplayId {
    /// Its ARN in a region.
    pub fn arn(&self, region: &Region) -> String {
        let Self { account, name } = self;
        format!("arn:aws:events:{region}:{account}:replay/{name}")
    }
}

impl ReplayState {
    /// Whether it has ended.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Cancelled | Self::Completed | Self::Failed)
    }
}

fn is_name(text: &str, length_max: usize) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
    (1..=length_max).contains(&text.len()) && text.bytes().all(allowed)
}

impl FromStr for ArchiveName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if is_name(text, limits::ARCHIVE_NAME_LENGTH_MAX) {
            return Ok(Self(Arc::from(text)));
        }
        let rule = "must be 1-48 letters, digits, ., - and _";
        Err(InvalidName::new("archive name", text, rule))
    }
}

impl FromStr for ReplayName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if is_name(text, limits::REPLAY_NAME_LENGTH_MAX) {
            return Ok(Self(Arc::from(text)));
        }
        let rule = "must be 1-64 letters, digits, ., - and _";
        Err(InvalidName::new("replay name", text, rule))
    }
}

impl fmt::Display for ArchiveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.name)
    }
}

impl fmt::Display for ReplayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.name)
    }
}

text_type!(ArchiveName);
text_type!(ReplayName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_aws_takes() {
        for name in ["orders", "a.b-c_D9", &"x".repeat(48)] {
            assert!(name.parse::<ArchiveName>().is_ok(), "{name}");
            assert!(name.parse::<ReplayName>().is_ok(), "{name}");
        }
        for name in ["", "a/b", "a b", &"x".repeat(65)] {
            assert!(name.parse::<ArchiveName>().is_err(), "{name}");
            assert!(name.parse::<ReplayName>().is_err(), "{name}");
        }
        assert!("x".repeat(49).parse::<ArchiveName>().is_err());
    }
}
