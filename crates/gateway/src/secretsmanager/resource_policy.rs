//! Operations on secrets' resource policies.
//!
//! AWS differs: a policy lets in nobody of another account, as secrets are of the caller's own.

pub(crate) mod delete_resource_policy;
pub(crate) mod get_resource_policy;
pub(crate) mod put_resource_policy;
pub(crate) mod validate_resource_policy;

use kiln_policy::{Policy, PolicyKind};
use serde_json::Value;

use crate::error::{ApiError, Exception, Result};

/// Keys of conditions that narrow who is let in, if they are asked for.
const NARROWING: [&str; 9] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourcevpc",
    "aws:sourcevpce",
];

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

/// Whether a policy lets everybody in.
fn is_public(text: &str) -> bool {
    let policy: Value = serde_json::from_str(text).unwrap_or_default();
    match &policy["Statement"] {
        Value::Array(statements) => statements.iter().any(lets_everybody_in),
        one => lets_everybody_in(one),
    }
}

fn lets_everybody_in(statement: &Value) -> bool {
    let is_everybody = |principal: &Value| match principal {
        Value::String(one) => one == "*",
        Value::Array(several) => several.iter().any(|one| one == "*"),
        _ => false,
    };
    let principal = &statement["Principal"];
    let mut principals = principal
        .as_object()
        .into_iter()
        .flat_map(|kinds| kinds.values());
    let is_for_everybody = is_everybody(principal) || principals.any(is_everybody);
    // Whoever is not left out.
    let is_for_others = statement.get("NotPrincipal").is_some();
    let tests = statement["Condition"].as_object().into_iter().flatten();
    let mut keys = tests.flat_map(|(_, tests)| tests.as_object().into_iter().flatten());
    let is_narrow = keys.any(|(key, _)| NARROWING.contains(&&*key.to_lowercase()));
    statement["Effect"] == "Allow" && (is_for_everybody || is_for_others) && !is_narrow
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_policy_for_everybody_is_public_unless_a_condition_says_who() {
        let public = |statement: Value| is_public(&json!({"Statement": statement}).to_string());
        let everybody =
            json!({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"});
        assert!(public(everybody.clone()) && public(json!([everybody.clone()])));
        let mut own = everybody.clone();
        own["Condition"] = json!({"StringEquals": {"aws:PrincipalAccount": "000000000000"}});
        assert!(!public(own));
        let mut versioned = everybody.clone();
        versioned["Condition"] = json!({"StringEquals": {"secretsmanager:VersionStage": "x"}});
        assert!(public(versioned));
        let mut denied = everybody.clone();
        denied["Effect"] = "Deny".into();
        assert!(!public(denied));
        for (principal, expected) in [
            (json!({"AWS": "*"}), true),
            (
                json!({"AWS": ["arn:aws:iam::000000000000:root", "*"]}),
                true,
            ),
            (json!({"AWS": "arn:aws:iam::000000000000:role/r"}), false),
        ] {
            let mut statement = everybody.clone();
            statement["Principal"] = principal;
            assert_eq!(public(statement), expected);
        }
    }

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
