//! Secrets of Secrets Manager: their names, versions and staging labels. What they say is not here.
//!
//! A label stands at one version at most. `AWSCURRENT` is at some version from the first on; whatever it is taken from gets
//! `AWSPREVIOUS`. A version without labels is deprecated: it stays until there are too many.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::account::{AccountId, Region, text_type};
use crate::clock::Timestamp;
use crate::limits::{
    SECRET_LABELS_MAX, SECRET_NAME_LENGTH_MAX, SECRET_VERSION_AGE_MIN, SECRET_VERSIONS_MAX,
};
use crate::name::InvalidName;

/// The label of what is read by default.
pub const CURRENT: &str = "AWSCURRENT";
/// The label of what was current before.
pub const PREVIOUS: &str = "AWSPREVIOUS";

/// A secret's name: 1-512 letters, digits and `/_+=.@-!`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(Arc<str>);

/// Which secret, of whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SecretId {
    /// The owner.
    pub account: AccountId,
    /// Its name, unique within the account.
    pub name: SecretName,
}

/// A secret, but for what it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Secret {
    /// Which.
    pub id: SecretId,
    /// Six letters and digits by chance, with which its ARN ends: a secret that is made again has another ARN.
    pub suffix: String,
    /// The owner's words.
    pub description: Option<String>,
    /// The key that the owner named, which is given back and not used.
    pub key_id: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its resource policy.
    pub policy: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub changed: Timestamp,
    /// The day on which it was last read.
    pub accessed: Option<Timestamp>,
    /// Set while it is to be deleted.
    pub deletion: Option<Deletion>,
    /// Its versions by their ids.
    pub versions: BTreeMap<String, SecretVersion>,
}

/// That a secret is to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// When that was asked for.
    pub asked: Timestamp,
    /// When it is done.
    pub due: Timestamp,
}

/// A version of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretVersion {
    /// When it was made.
    pub created: Timestamp,
    /// The labels that stand at it.
    pub labels: BTreeSet<String>,
    /// The day on which it was last read.
    pub accessed: Option<Timestamp>,
}

/// Why labels or versions were not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// There is no such version.
    #[error("there is no version {0}")]
    Missing(String),
    /// The label is at a version, which must be named for it to be taken from there.
    #[error("the label {label} is at version {version}")]
    Attached {
        /// The label.
        label: String,
        /// Where it is.
        version: String,
    },
    /// The label is not at the version from which it is to be taken.
    #[error("the label {label} is not at version {version}")]
    NotAttached {
        /// The label.
        label: String,
        /// Where it is not.
        version: String,
    },
    /// The label of what is current can only be moved.
    #[error("{} can be moved and not removed", CURRENT)]
    OnlyMoved,
    /// A version would have too many labels.
    #[error("a version has at most {} labels", SECRET_LABELS_MAX)]
    TooManyLabels,
    /// There are as many versions as there may be, and none is without labels and old enough to go.
    #[error("a secret has at most {} versions", SECRET_VERSIONS_MAX)]
    TooManyVersions,
}

impl Secret {
    /// Its ARN.
    pub fn arn(&self, region: &Region) -> String {
        let SecretId { account, name } = &self.id;
        let suffix = &self.suffix;
        format!("arn:aws:secretsmanager:{region}:{account}:secret:{name}-{suffix}")
    }

    /// The version at which a label stands.
    pub fn labelled(&self, label: &str) -> Option<&str> {
        let has = |(_, version): &(&String, &SecretVersion)| version.labels.contains(label);
        let (id, _) = self.versions.iter().find(has)?;
        Some(id)
    }

    /// Adds a version, labelled as current unless it is told otherwise; tells the versions that had to go for it.
    pub fn add_version(
        &mut self,
        id: &str,
        labels: Option<BTreeSet<String>>,
        now: Timestamp,
    ) -> Result<Vec<String>, VersionError> {
        let mut labels = labels.unwrap_or_else(|| BTreeSet::from([CURRENT.to_owned()]));
        if self.labelled(CURRENT).is_none() {
            labels.insert(CURRENT.to_owned());
        }
        let version = SecretVersion {
            created: now,
            labels: BTreeSet::new(),
            accessed: None,
        };
        self.versions.insert(id.to_owned(), version);
        for label in labels {
            self.attach(&label, id)?;
        }
        self.changed = now;
        self.trim(now)
    }

    /// Moves a label to a version, or takes it away where none is named. It must be said from where, unless it is nowhere.
    pub fn move_label(
        &mut self,
        label: &str,
        from: Option<&str>,
        to: Option<&str>,
        now: Timestamp,
    ) -> Result<(), VersionError> {
        let missing = [from, to].into_iter().flatten();
        let mut missing = missing.filter(|id| !self.versions.contains_key(*id));
        if let Some(id) = missing.next_back() {
            return Err(VersionError::Missing(id.to_owned()));
        }
        let at = self.labelled(label).map(str::to_owned);
        match (at.as_deref(), from) {
            (at, Some(from)) if at != Some(from) => {
                return Err(VersionError::NotAttached {
                    label: label.to_owned(),
                    version: from.to_owned(),
                });
            }
            (Some(at), None) if to != Some(at) => {
                return Err(VersionError::Attached {
                    label: label.to_owned(),
                    version: at.to_owned(),
                });
            }
            _ => {}
        }
        match to {
            Some(to) => self.attach(label, to)?,
            None if label == CURRENT => return Err(VersionError::OnlyMoved),
            None => self.detach(label),
        }
        self.changed = now;
        Ok(())
    }

    /// Notes that a version was read; tells whether that is news: only the day is kept.
    pub fn note_access(&mut self, version: &str, now: Timestamp) -> bool {
        let day = day_of(now);
        let Some(read) = self.versions.get_mut(version) else {
            return false;
        };
        if (self.accessed, read.accessed) == (Some(day), Some(day)) {
            return false;
        }
        read.accessed = Some(day);
        self.accessed = Some(day);
        true
    }

    /// Whether an access now would be news.
    pub fn is_access_news(&self, version: &str, now: Timestamp) -> bool {
        let day = Some(day_of(now));
        let read = self.versions.get(version);
        read.is_some_and(|read| (self.accessed, read.accessed) != (day, day))
    }

    fn attach(&mut self, label: &str, to: &str) -> Result<(), VersionError> {
        let before = self.labelled(label).map(str::to_owned);
        if before.as_deref() == Some(to) {
            return Ok(());
        }
        self.detach(label);
        let version = self.versions.get_mut(to).expect("its caller looked");
        if version.labels.len() >= SECRET_LABELS_MAX {
            return Err(VersionError::TooManyLabels);
        }
        version.labels.insert(label.to_owned());
        match before {
            Some(before) if label == CURRENT => self.attach(PREVIOUS, &before),
            _ => Ok(()),
        }
    }

    fn detach(&mut self, label: &str) {
        for version in self.versions.values_mut() {
            version.labels.remove(label);
        }
    }

    /// Forgets the oldest deprecated versions while there are too many.
    fn trim(&mut self, now: Timestamp) -> Result<Vec<String>, VersionError> {
        let mut gone = Vec::new();
        while self.versions.len() > SECRET_VERSIONS_MAX {
            let may_go = |version: &SecretVersion| {
                version.labels.is_empty() && version.created + SECRET_VERSION_AGE_MIN <= now
            };
            let deprecated = self.versions.iter().filter(|(_, version)| may_go(version));
            let oldest = deprecated.min_by_key(|(_, version)| version.created);
            let Some(id) = oldest.map(|(id, _)| id.clone()) else {
                return Err(VersionError::TooManyVersions);
            };
            self.versions.remove(&id);
            gone.push(id);
        }
        Ok(gone)
    }
}

fn day_of(time: Timestamp) -> Timestamp {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let day_ms = DAY.as_millis() as i64;
    Timestamp::from_millis(time.as_millis().div_euclid(day_ms) * day_ms)
}

impl SecretName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"/_+=.@-!".contains(&b);
        if (1..=SECRET_NAME_LENGTH_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(Arc::from(text)));
        }
        let rule = "must be 1-512 letters, digits and /_+=.@-!";
        Err(InvalidName::new("secret name", text, rule))
    }
}

text_type!(SecretName);

#[cfg(test)]
mod tests;
