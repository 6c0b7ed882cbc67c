//! Signed code: whose signatures are known, and which functions ask for whose.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::account::{AccountId, Region};
use crate::clock::Timestamp;
use crate::name::InvalidName;

/// Characters of a profile's name, and of its version.
const NAME_LENGTH: std::ops::RangeInclusive<usize> = 2..=64;
const VERSION_LENGTH: usize = 10;

/// `arn:aws:signer:<region>:<account>:/signing-profiles/<name>/<version>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProfileArn {
    /// Where.
    pub region: Region,
    /// Whose.
    pub account: AccountId,
    /// Its name: letters, digits and `_`.
    pub name: String,
    /// Ten letters and digits.
    pub version: String,
}

/// Somebody who signs, known by a public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningProfile {
    /// Its ARN.
    pub arn: ProfileArn,
    /// The public key, as PEM.
    pub key: String,
    /// When it was made known.
    pub added: Timestamp,
    /// Since when what it signed is not trusted any more.
    pub revoked: Option<Timestamp>,
}

/// Whose code a function may have, and what becomes of other code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeSigningConfig {
    /// Whose it is.
    pub account: AccountId,
    /// `csc-` and 17 letters and digits.
    pub id: String,
    /// For people.
    pub description: String,
    /// The ARNs of the profiles' versions whose signatures are accepted.
    pub publishers: Vec<String>,
    /// What becomes of other code.
    pub policy: SigningPolicy,
    /// When it was last changed.
    pub modified: Timestamp,
    /// Key and value pairs of the user's own.
    pub tags: BTreeMap<String, String>,
}

/// What becomes of code that nobody signed whose signatures are accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SigningPolicy {
    /// It is deployed, and that is written down.
    #[default]
    Warn,
    /// It is refused.
    Enforce,
}

/// Who signed a package, as was verified when it was deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signer {
    /// The version of the profile.
    pub profile: ProfileArn,
    /// The ARN of the act of signing.
    pub job: String,
}

impl ProfileArn {
    /// Whether a profile may have this name.
    pub fn is_name(name: &str) -> bool {
        let is_allowed = |letter: u8| letter.is_ascii_alphanumeric() || letter == b'_';
        NAME_LENGTH.contains(&name.len()) && name.bytes().all(is_allowed)
    }

    /// The ARN of an act of signing by it.
    pub fn job(&self, id: &str) -> String {
        let (region, account) = (&self.region, &self.account);
        format!("arn:aws:signer:{region}:{account}:/signing-jobs/{id}")
    }
}

impl CodeSigningConfig {
    /// Its ARN, when this server answers for `region`.
    pub fn arn(&self, region: &Region) -> String {
        let (account, id) = (&self.account, &self.id);
        format!("arn:aws:lambda:{region}:{account}:code-signing-config:{id}")
    }
}

impl SigningPolicy {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warn => "Warn",
            Self::Enforce => "Enforce",
        }
    }
}

impl fmt::Display for ProfileArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (region, account) = (&self.region, &self.account);
        let (name, version) = (&self.name, &self.version);
        write!(
            f,
            "arn:aws:signer:{region}:{account}:/signing-profiles/{name}/{version}"
        )
    }
}

impl FromStr for ProfileArn {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let rule = "is not the ARN of a signing profile's version";
        let invalid = || InvalidName::new("signing profile", text, rule);
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", "aws", "signer", region, account, path] = parts[..] else {
            return Err(invalid());
        };
        let path = path.strip_prefix("/signing-profiles/");
        let (name, version) = path
            .and_then(|path| path.split_once('/'))
            .ok_or_else(invalid)?;
        let is_version = version.len() == VERSION_LENGTH
            && version.bytes().all(|letter| letter.is_ascii_alphanumeric());
        if !Self::is_name(name) || !is_version {
            return Err(invalid());
        }
        Ok(Self {
            region: region.parse()?,
            account: account.parse()?,
            name: name.to_owned(),
            version: version.to_owned(),
        })
    }
}

impl TryFrom<String> for ProfileArn {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<ProfileArn> for String {
    fn from(arn: ProfileArn) -> String {
        arn.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_reads_back_as_written() {
        let text = "arn:aws:signer:eu-west-1:123456789012:/signing-profiles/ci_1/a1B2c3D4e5";
        let arn: ProfileArn = text.parse().unwrap();
        assert_eq!(
            (arn.name.as_str(), arn.version.as_str()),
            ("ci_1", "a1B2c3D4e5")
        );
        assert_eq!(arn.to_string(), text);
        assert_eq!(
            arn.job("x"),
            "arn:aws:signer:eu-west-1:123456789012:/signing-jobs/x"
        );
    }

    #[test]
    fn other_texts_are_none() {
        let good = "arn:aws:signer:eu-west-1:123456789012:/signing-profiles/ci/a1B2c3D4e5";
        for (from, to) in [
            ("signer", "lambda"),
            ("/ci/", "/c/"),
            ("/ci/", "/c-i/"),
            ("/ci/", "/"),
            ("e5", "e"),
            ("e5", "e5/x"),
            ("e5", "e_"),
            ("123456789012", "1"),
            ("/signing-profiles", "signing-profiles"),
        ] {
            let text = good.replace(from, to);
            assert!(text.parse::<ProfileArn>().is_err(), "{text}");
        }
    }
}
