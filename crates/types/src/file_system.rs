//! File systems: directories of the server's machine that its operator lets functions mount.
//!
//! A function names one as it would name an access point of Amazon EFS, by an ARN. The access point's
//! id follows from the name that the operator gave, so that anybody who knows the name knows the ARN.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::account::{AccountId, Region, text_type};
use crate::name::InvalidName;

/// Hexadecimal digits of an access point's id, after `fsap-`.
const ID_DIGITS: usize = 17;

/// The id of an access point: `fsap-` and 17 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccessPoint(Arc<str>);

/// `arn:aws:elasticfilesystem:<region>:<account>:access-point/<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccessPointArn {
    /// Where.
    pub region: Region,
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub access_point: AccessPoint,
}

/// A directory that functions may mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// The directory.
    pub dir: PathBuf,
    /// Whether functions may only read it.
    pub is_read_only: bool,
}

/// All that an operator has named.
pub type FileSystems = BTreeMap<AccessPoint, FileSystem>;

/// A file system as a function has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSystemMount {
    /// Which.
    pub arn: AccessPointArn,
    /// Where the function sees it: a directory directly below `/mnt`.
    pub path: PathBuf,
}

impl AccessPoint {
    /// That of a file system with this name. A name that is an id already is itself.
    pub fn named(name: &str) -> Self {
        name.parse().unwrap_or_else(|_| {
            let digest = Sha256::digest(name);
            let mut id = "fsap-".to_owned();
            for byte in digest.iter().take(ID_DIGITS.div_ceil(2)) {
                id.push_str(&format!("{byte:02x}"));
            }
            id.truncate("fsap-".len() + ID_DIGITS);
            Self(id.into())
        })
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccessPoint {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        match text.strip_prefix("fsap-") {
            Some(id) if id.len() == ID_DIGITS && id.bytes().all(is_digit) => {
                Ok(Self(Arc::from(text)))
            }
            _ => Err(InvalidName::new(
                "access point",
                text,
                "must be fsap- and 17 hexadecimal digits",
            )),
        }
    }
}

impl fmt::Display for AccessPointArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (region, account, id) = (&self.region, &self.account, &self.access_point);
        write!(
            f,
            "arn:aws:elasticfilesystem:{region}:{account}:access-point/{id}"
        )
    }
}

impl FromStr for AccessPointArn {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let invalid = || InvalidName::new("access point", text, "is not an access point's ARN");
        let parts: Vec<&str> = text.split(':').collect();
        let ["arn", _, "elasticfilesystem", region, account, resource] = parts[..] else {
            return Err(invalid());
        };
        let id = resource.strip_prefix("access-point/").ok_or_else(invalid)?;
        Ok(Self {
            region: region.parse()?,
            account: account.parse()?,
            access_point: id.parse()?,
        })
    }
}

impl TryFrom<String> for AccessPointArn {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<AccessPointArn> for String {
    fn from(arn: AccessPointArn) -> String {
        arn.to_string()
    }
}

text_type!(AccessPoint);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_follows_from_the_name() {
        let models = AccessPoint::named("models");
        assert_eq!(models.as_str().parse::<AccessPoint>().unwrap(), models);
        assert_ne!(models, AccessPoint::named("model"));
        // Part of functions' configurations from then on: it must never change.
        assert_eq!(models.as_str(), "fsap-8edcc26c0f6c7256a");
        let id = "fsap-0123456789abcdef0";
        assert_eq!(AccessPoint::named(id).as_str(), id);
    }

    #[test]
    fn an_arn_reads_back_as_written() {
        let text =
            "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-0123456789abcdef0";
        let arn: AccessPointArn = text.parse().unwrap();
        assert_eq!(arn.to_string(), text);
        for other in [
            "fsap-0123456789abcdef0",
            "arn:aws:elasticfilesystem:us-east-1:000000000000:file-system/fs-1",
            "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-1",
        ] {
            assert!(other.parse::<AccessPointArn>().is_err(), "{other}");
        }
    }
}
