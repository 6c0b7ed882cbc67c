//! Tenants: accounts that an operator looks after.

use serde::{Deserialize, Serialize};

use crate::account::AccountId;
use crate::clock::Timestamp;
use crate::function::Function;

/// Characters of a display name, at most.
const NAME_CHARS_MAX: usize = 128;

/// An account that was made, or given limits, by an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Which account.
    pub id: AccountId,
    /// What people call it.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// What it may have.
    #[serde(default)]
    pub limits: TenantLimits,
}

/// What a tenant may have at most; none is what the server allows every account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantLimits {
    /// Invocations in flight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Functions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub functions: Option<u32>,
    /// Bytes of the zips of all versions of its functions and layers together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_bytes: Option<u64>,
    /// Message queues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queues: Option<u32>,
    /// Buckets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buckets: Option<u32>,
    /// Event source mappings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_sources: Option<u32>,
}

impl Tenant {
    /// Whether a text can be a display name: 1 to 128 characters, none of them a control character.
    pub fn is_name(text: &str) -> bool {
        let length = text.chars().count();
        (1..=NAME_CHARS_MAX).contains(&length) && !text.chars().any(char::is_control)
    }
}

impl Function {
    /// What the zips of all versions have together: what counts as code storage.
    pub fn code_bytes(&self) -> u64 {
        let all = self.configurations();
        all.map(|version| version.code.zipped_bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_display_name_is_a_line_for_people() {
        assert!(Tenant::is_name("Shop & Söhne"));
        assert!(Tenant::is_name(&"x".repeat(128)));
        for refused in ["", "two\nlines", &"x".repeat(129)] {
            assert!(!Tenant::is_name(refused), "{refused:?}");
        }
    }

    #[test]
    fn limits_that_are_not_set_are_not_written() {
        let limits = TenantLimits {
            functions: Some(3),
            ..Default::default()
        };
        let text = serde_json::to_string(&limits).unwrap();
        assert_eq!(text, r#"{"functions":3}"#);
        assert_eq!(
            serde_json::from_str::<TenantLimits>("{}").unwrap(),
            TenantLimits::default()
        );
    }
}
