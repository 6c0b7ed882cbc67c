//! Tenants of a function: whom its owner tells apart, so that no instance serves two of them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::account::text_type;
use crate::limits::TENANT_ID_LENGTH_MAX;
use crate::name::InvalidName;

/// A tenant's id, of the owner's choosing: 1-256 letters, digits, blanks and `._:/=+-@`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(Arc<str>);

impl TenantId {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TenantId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b" ._:/=+-@".contains(&b);
        if (1..=TENANT_ID_LENGTH_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(Arc::from(text)));
        }
        let rule = "must be 1-256 letters, digits, blanks and ._:/=+-@";
        Err(InvalidName::new("tenant id", text, rule))
    }
}

text_type!(TenantId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_that_aws_takes() {
        for good in ["a", "Shop 7", "a.b_c:d/e=f+g-h@i", &"x".repeat(256)] {
            assert_eq!(good.parse::<TenantId>().unwrap().as_str(), good);
        }
        for bad in ["", "a\nb", "ü", "a#b", &"x".repeat(257)] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad}");
        }
    }
}
