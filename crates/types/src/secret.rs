//! Secrets: their names, and all that is kept of them but what they say, which is never part of a definition.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::account::{AccountId, Region};
use crate::name::InvalidName;

mod kept;

pub use kept::{
    CURRENT, Deletion, PREVIOUS, Secret, SecretId, SecretName, SecretVersion, VersionError,
};

/// `arn:aws:secretsmanager:<region>:<account>:secret:<name>`.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretArn {
    text: Arc<str>,
    /// Where.
    pub region: Region,
    /// Whose.
    pub account: AccountId,
    name_at: usize,
}

impl SecretArn {
    /// The secret's name: letters, digits and `/_+=.@-`; no part of it between slashes is empty or
    /// begins with a dot.
    pub fn name(&self) -> &str {
        &self.text[self.name_at..]
    }
}

impl FromStr for SecretArn {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let wrong = |rule| InvalidName::new("secret", text, rule);
        let parts: Vec<&str> = text.splitn(7, ':').collect();
        let [
            "arn",
            "aws",
            "secretsmanager",
            region,
            account,
            "secret",
            name,
        ] = parts[..]
        else {
            return Err(wrong(
                "must be arn:aws:secretsmanager:<region>:<account>:secret:<name>",
            ));
        };
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"/_+=.@-".contains(&b);
        // The name of a secret may become that of a file.
        let is_part = |part: &str| !part.is_empty() && !part.starts_with('.');
        if !name.bytes().all(allowed) || !name.split('/').all(is_part) {
            return Err(wrong(
                "must have a name of letters, digits and /_+=.@-, no part of which begins with a dot",
            ));
        }
        Ok(Self {
            region: region.parse()?,
            account: account.parse()?,
            name_at: text.len() - name.len(),
            text: text.into(),
        })
    }
}

impl TryFrom<String> for SecretArn {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<SecretArn> for String {
    fn from(arn: SecretArn) -> String {
        arn.text.to_string()
    }
}

impl fmt::Display for SecretArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for SecretArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_named_by_its_arn() {
        let text = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop/db-1";
        let arn: SecretArn = text.parse().unwrap();
        assert_eq!((arn.name(), arn.to_string().as_str()), ("shop/db-1", text));
        let kept = serde_json::to_string(&arn).unwrap();
        assert_eq!(serde_json::from_str::<SecretArn>(&kept).unwrap(), arn);
    }

    #[test]
    fn no_name_leads_out_of_a_directory() {
        let named = |name| format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:{name}");
        for name in [
            "", "../db", "a/../b", "/etc", "a//b", ".hidden", "a b", "a:b",
        ] {
            assert!(named(name).parse::<SecretArn>().is_err(), "{name}");
        }
        assert!("shop/db".parse::<SecretArn>().is_err());
        assert!(
            "arn:aws:ssm:us-east-1:123456789012:secret:a"
                .parse::<SecretArn>()
                .is_err()
        );
    }
}
