//! Operations on secrets' resource policies.
//!
//! AWS differs: a policy lets in nobody of another account, as secrets are of the caller's own.

pub(crate) mod delete_resource_policy;
pub(crate) mod get_resource_policy;
pub(crate) mod put_resource_policy;
pub(crate) mod validate_resource_policy;

use crate::error::{ApiError, Exception, Result};
use kiln_policy::{Policy, PolicyKind};

/// Refuses what is no resource policy.
fn check(text: &str) -> Result<()> {
    match Policy::parse(PolicyKind::Resource, text) {
        Ok(_) => Ok(()),
        Err(error) => Err(ApiError::new(
            Exception::MalformedResourcePolicy,
            format!("This resource policy contains unsupported syntax: {error}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_resource_policy_is_refused() {
        let none = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "secretsmanager:*", "Resource": "*"},
        ]});
        for text in ["{", "[]", &none.to_string()] {
            let refused = check(text).unwrap_err();
            assert_eq!(
                refused.exception,
                Exception::MalformedResourcePolicy,
                "{text}"
            );
        }
    }
}
