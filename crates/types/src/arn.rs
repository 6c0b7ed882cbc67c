//! ARNs of functions, and every form in which a caller may write a function's name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::account::{AccountId, Region};
use crate::name::{FunctionId, FunctionName, InvalidName, Qualifier};

/// `arn:aws:lambda:<region>:<account>:function:<name>[:<qualifier>]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FunctionArn {
    /// Where.
    pub region: Region,
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub name: FunctionName,
    /// Which version of it; none means the unqualified function.
    pub qualifier: Option<Qualifier>,
}

/// What a caller wrote for a function: its name, `account:function:name`, or its ARN, each
/// with or without a qualifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionRef {
    /// The region, when an ARN was written.
    pub region: Option<Region>,
    /// The account, when a partial or a full ARN was written.
    pub account: Option<AccountId>,
    /// The name.
    pub name: FunctionName,
    /// The qualifier, when one was written.
    pub qualifier: Option<Qualifier>,
}

impl FunctionArn {
    /// The unqualified ARN of a function.
    pub fn new(region: Region, id: &FunctionId) -> Self {
        Self {
            region,
            account: id.account.clone(),
            name: id.name.clone(),
            qualifier: None,
        }
    }

    /// The key under which the function is kept.
    pub fn id(&self) -> FunctionId {
        FunctionId {
            account: self.account.clone(),
            name: self.name.clone(),
        }
    }

    /// The same function under a qualifier.
    pub fn qualified(mut self, qualifier: Option<Qualifier>) -> Self {
        self.qualifier = qualifier;
        self
    }
}

impl FunctionRef {
    /// The function meant, when the caller's own account is `caller`.
    pub fn id(&self, caller: &AccountId) -> FunctionId {
        FunctionId {
            account: self.account.clone().unwrap_or_else(|| caller.clone()),
            name: self.name.clone(),
        }
    }
}

impl fmt::Display for FunctionArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "arn:aws:lambda:{}:{}:function:{}",
            self.region, self.account, self.name
        )?;
        match &self.qualifier {
            Some(qualifier) => write!(f, ":{qualifier}"),
            None => Ok(()),
        }
    }
}

impl FromStr for FunctionRef {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let invalid = || InvalidName::new("function", text, "is not a name, partial ARN or ARN");
        let parts: Vec<&str> = text.split(':').collect();
        let (region, account, rest) = match parts.as_slice() {
            [
                "arn",
                partition,
                "lambda",
                region,
                account,
                "function",
                rest @ ..,
            ] if partition.starts_with("aws") => {
                (Some(region.parse()?), Some(account.parse()?), rest)
            }
            [account, "function", rest @ ..] => (None, Some(account.parse()?), rest),
            ["function", rest @ ..] if !rest.is_empty() => (None, None, rest),
            rest => (None, None, rest),
        };
        let (name, qualifier) = match rest {
            [name] => (name, None),
            [name, qualifier] => (name, Some(qualifier.parse()?)),
            _ => return Err(invalid()),
        };
        Ok(Self {
            region,
            account,
            name: name.parse()?,
            qualifier,
        })
    }
}

impl FromStr for FunctionArn {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let written: FunctionRef = text.parse()?;
        match (written.region, written.account) {
            (Some(region), Some(account)) => Ok(Self {
                region,
                account,
                name: written.name,
                qualifier: written.qualifier,
            }),
            _ => Err(InvalidName::new("function ARN", text, "is not a full ARN")),
        }
    }
}

/// Kept and shown as its text.
impl Serialize for FunctionArn {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FunctionArn {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_form_names_the_same_function() {
        let forms = [
            "sum",
            "function:sum",
            "123456789012:function:sum",
            "arn:aws:lambda:us-east-1:123456789012:function:sum",
        ];
        for form in forms {
            let written: FunctionRef = form.parse().unwrap();
            assert_eq!(written.name.as_str(), "sum", "{form}");
            assert_eq!(written.qualifier, None, "{form}");
            let qualified: FunctionRef = format!("{form}:live").parse().unwrap();
            assert_eq!(qualified.qualifier.unwrap().to_string(), "live", "{form}");
        }
    }

    #[test]
    fn an_arn_reads_back_as_written() {
        let text = "arn:aws:lambda:eu-west-1:123456789012:function:sum:$LATEST";
        assert_eq!(text.parse::<FunctionArn>().unwrap().to_string(), text);
    }

    #[test]
    fn other_resources_are_refused() {
        for text in [
            "",
            "a:b:c",
            "arn:aws:s3:::bucket",
            "arn:aws:lambda:us-east-1:1:function:f",
        ] {
            assert!(text.parse::<FunctionRef>().is_err(), "{text}");
        }
    }
}
