//! ARNs of identities and of policies.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{EntityName, EntityPath};
use crate::account::AccountId;
use crate::name::InvalidName;

/// `arn:aws:iam::<account>:policy/<path>/<name>`, with `aws` in the place of the account where the policy is AWS's own.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PolicyArn {
    /// Whose policy it is.
    pub owner: PolicyOwner,
    /// Where it is filed.
    pub path: EntityPath,
    /// What it is called.
    pub name: EntityName,
}

/// Whose policy it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PolicyOwner {
    /// AWS's: the same for every account, and nobody changes it.
    Aws,
    /// An account's.
    Account(AccountId),
}

/// The ARN of an identity.
pub(super) fn of(account: &AccountId, kind: &str, path: &EntityPath, name: &EntityName) -> String {
    format!("arn:aws:iam::{account}:{kind}{path}{name}")
}

impl FromStr for PolicyArn {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let wrong = || InvalidName::new("policy ARN", text, "is not the ARN of a policy");
        let rest = text.strip_prefix("arn:aws:iam::").ok_or_else(wrong)?;
        let (owner, rest) = rest.split_once(":policy/").ok_or_else(wrong)?;
        let (path, name) = match rest.rsplit_once('/') {
            Some((path, name)) => (format!("/{path}/"), name),
            None => ("/".to_owned(), rest),
        };
        Ok(Self {
            owner: match owner {
                "aws" => PolicyOwner::Aws,
                account => PolicyOwner::Account(account.parse().map_err(|_| wrong())?),
            },
            path: path.parse().map_err(|_| wrong())?,
            name: name.parse().map_err(|_| wrong())?,
        })
    }
}

impl fmt::Display for PolicyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner = match &self.owner {
            PolicyOwner::Aws => "aws",
            PolicyOwner::Account(account) => account.as_str(),
        };
        write!(f, "arn:aws:iam::{owner}:policy{}{}", self.path, self.name)
    }
}

impl fmt::Debug for PolicyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for PolicyArn {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<PolicyArn> for String {
    fn from(arn: PolicyArn) -> String {
        arn.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_arns_are_read_as_they_are_written() {
        for text in [
            "arn:aws:iam::123456789012:policy/deploy",
            "arn:aws:iam::123456789012:policy/team/shop/deploy",
            "arn:aws:iam::aws:policy/AdministratorAccess",
            "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
        ] {
            assert_eq!(text.parse::<PolicyArn>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "deploy",
            "arn:aws:iam::123456789012:role/deploy",
            "arn:aws:iam::123:policy/deploy",
            "arn:aws:iam::aws:policy/",
        ] {
            assert!(text.parse::<PolicyArn>().is_err(), "{text}");
        }
    }
}
