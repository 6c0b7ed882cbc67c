//! Whether a resource's policy lets everybody in.
//!
//! Source: "The meaning of 'public'" in the user guide of S3.

use serde_json::Value;

/// Keys of conditions by which it can be said who is let in.
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
/// Operators that say so of what the key must be; the others say what it must not be, or let in whoever has none.
const SAYING: [&str; 7] = [
    "stringequals",
    "stringequalsignorecase",
    "stringlike",
    "arnequals",
    "arnlike",
    "ipaddress",
    "foranyvalue:stringlike",
];
/// Bits that the addresses of a range have in common at least, for it not to be everybody.
const NETWORK_BITS_MIN: u8 = 8;

/// Whether a policy lets everybody in: anybody, and no condition says by fixed values whom of them.
pub(crate) fn is_public(text: &str) -> bool {
    let policy: Value = serde_json::from_str(text).unwrap_or_default();
    let mut statements = one_or_several(&policy["Statement"]).iter();
    statements.any(lets_everybody_in)
}

/// What policies write as one value or as a list of them.
pub(crate) fn one_or_several(value: &Value) -> &[Value] {
    match value {
        Value::Array(several) => several,
        one => std::slice::from_ref(one),
    }
}

fn lets_everybody_in(statement: &Value) -> bool {
    let is_everybody = |principal: &Value| {
        let mut named = one_or_several(principal).iter();
        named.any(|one| one == "*")
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
    let tests = tests.filter(|(operator, _)| SAYING.contains(&&*operator.to_lowercase()));
    let mut tests = tests.flat_map(|(_, tests)| tests.as_object().into_iter().flatten());
    let is_narrow = tests.any(|(key, values)| {
        NARROWING.contains(&&*key.to_lowercase()) && one_or_several(values).iter().all(is_fixed)
    });
    statement["Effect"] == "Allow" && (is_for_everybody || is_for_others) && !is_narrow
}

/// Whether a value stands for few: it has neither wildcards nor variables, and is no large part of all addresses.
fn is_fixed(value: &Value) -> bool {
    let Some(text) = value.as_str() else {
        return false;
    };
    let bits = text.split_once('/').and_then(|(_, bits)| bits.parse().ok());
    !text.contains(['*', '?', '$']) && bits.is_none_or(|bits: u8| bits >= NETWORK_BITS_MIN)
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
        for condition in [
            json!({"StringEquals": {"secretsmanager:VersionStage": "x"}}),
            json!({"StringNotEquals": {"aws:PrincipalAccount": "000000000000"}}),
            json!({"StringEqualsIfExists": {"aws:SourceAccount": "000000000000"}}),
            json!({"ForAllValues:StringEquals": {"aws:PrincipalOrgPaths": "o-1/r-1"}}),
            json!({"StringLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/r"}}),
            json!({"StringLike": {"aws:PrincipalAccount": ["000000000000", "*"]}}),
            json!({"StringEquals": {"aws:PrincipalArn": "${aws:PrincipalArn}"}}),
            json!({"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "0.0.0.0/1"]}}),
        ] {
            let mut open = everybody.clone();
            open["Condition"] = condition;
            assert!(public(open.clone()), "{open}");
        }
        let mut near = everybody.clone();
        near["Condition"] = json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}});
        assert!(!public(near));
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
}
