//! Layers: packages that functions share, each version immutable and named by its ARN.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::account::{AccountId, Region, text_type};
use crate::clock::Timestamp;
use crate::function::Code;
use crate::limits;
use crate::name::InvalidName;
use crate::policy::ResourcePolicy;

/// A layer's name: letters, digits, `-` and `_`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LayerName(Arc<str>);

/// `arn:aws:lambda:<region>:<account>:layer:<name>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LayerArn {
    /// Where.
    pub region: Region,
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub name: LayerName,
}

/// The ARN of a layer, `:` and a version.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LayerVersionArn {
    /// Which layer.
    pub layer: LayerArn,
    /// Which version of it, counted from 1.
    pub version: u64,
}

/// One version of a layer. Only its policy ever changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerVersion {
    /// Whose layer it is.
    pub account: AccountId,
    /// The layer's name, unique within the account.
    pub name: LayerName,
    /// The version, counted from 1 and never given twice.
    pub version: u64,
    /// For people.
    pub description: String,
    /// For people.
    pub license: Option<String>,
    /// When it was published.
    pub created: Timestamp,
    /// The runtimes it is meant for, as its author named them; none were named when empty.
    pub runtimes: Vec<String>,
    /// The architectures it is meant for; none were named when empty.
    pub architectures: Vec<String>,
    /// The content.
    pub code: Code,
    /// Who else may use it.
    pub policy: ResourcePolicy,
}

/// A layer version as a function has it: it stays when the version is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedLayer {
    /// Its name when it was attached.
    pub arn: LayerVersionArn,
    /// Its content.
    pub code: Code,
}

impl LayerName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl LayerVersion {
    /// Its ARN, when this server answers for `region`.
    pub fn arn(&self, region: &Region) -> LayerVersionArn {
        LayerVersionArn {
            layer: LayerArn {
                region: region.clone(),
                account: self.account.clone(),
                name: self.name.clone(),
            },
            version: self.version,
        }
    }
}

impl FromStr for LayerName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let length = 1..=limits::LAYER_NAME_LENGTH_MAX;
        if length.contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(Arc::from(text)));
        }
        let rule = "must be 1-140 letters, digits, - and _";
        Err(InvalidName::new("layer name", text, rule))
    }
}

impl fmt::Display for LayerArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (region, account, name) = (&self.region, &self.account, &self.name);
        write!(f, "arn:aws:lambda:{region}:{account}:layer:{name}")
    }
}

impl fmt::Display for LayerVersionArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.layer, self.version)
    }
}

impl FromStr for LayerArn {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match text.split(':').collect::<Vec<_>>().as_slice() {
            ["arn", _, "lambda", region, account, "layer", name] => Ok(Self {
                region: region.parse()?,
                account: account.parse()?,
                name: name.parse()?,
            }),
            _ => Err(InvalidName::new("layer", text, "is not a layer's ARN")),
        }
    }
}

impl FromStr for LayerVersionArn {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let invalid = || InvalidName::new("layer version", text, "is not a layer version's ARN");
        let (layer, version) = text.rsplit_once(':').ok_or_else(invalid)?;
        Ok(Self {
            layer: layer.parse()?,
            version: version.parse().map_err(|_| invalid())?,
        })
    }
}

impl TryFrom<String> for LayerVersionArn {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<LayerVersionArn> for String {
    fn from(arn: LayerVersionArn) -> String {
        arn.to_string()
    }
}

text_type!(LayerName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_reads_back_as_written() {
        let text = "arn:aws:lambda:eu-west-1:123456789012:layer:numpy_2:17";
        let arn: LayerVersionArn = text.parse().unwrap();
        assert_eq!((arn.layer.name.as_str(), arn.version), ("numpy_2", 17));
        assert_eq!(arn.to_string(), text);
    }

    #[test]
    fn other_arns_are_refused() {
        for text in [
            "",
            "numpy:1",
            "arn:aws:lambda:us-east-1:123456789012:layer:numpy",
            "arn:aws:lambda:us-east-1:123456789012:layer:numpy:x",
            "arn:aws:lambda:us-east-1:123456789012:layer:num.py:1",
            "arn:aws:lambda:us-east-1:123456789012:function:numpy:1",
            "arn:aws:lambda:::awslayer:AmazonLinux2",
        ] {
            assert!(text.parse::<LayerVersionArn>().is_err(), "{text}");
        }
    }
}
