//! A bucket's policy, and what it may not say.

use kiln_policy::{Policy, PolicyKind};
use serde_json::Value;

use super::super::fault::{Fault, Result};
use crate::access::one_or_several;

/// Bytes of a policy, at most.
const POLICY_BYTES_MAX: usize = 20 * 1024;

/// Reads the policy of a bucket.
pub(super) fn read(document: &[u8], bucket: &str) -> Result<String> {
    let text = std::str::from_utf8(document).unwrap_or_default();
    if !text.starts_with('{') || serde_json::from_str::<Value>(text).is_err() {
        return Err(malformed(
            "Policies must be valid JSON and the first byte must be '{'",
        ));
    }
    if text.len() > POLICY_BYTES_MAX {
        return Err(Fault::new(
            "PolicyTooLarge",
            400,
            "Bucket policies are limited to 20480 bytes",
        ));
    }
    let read = Policy::parse(PolicyKind::Resource, text);
    read.map_err(|error| malformed(error.to_string()))?;
    match is_of(text, bucket) {
        true => Ok(text.to_owned()),
        false => Err(malformed("Policy has invalid resource")),
    }
}

/// Whether all that a policy's statements name is this bucket or in it.
fn is_of(text: &str, bucket: &str) -> bool {
    let policy: Value = serde_json::from_str(text).unwrap_or_default();
    let own = format!("arn:aws:s3:::{bucket}");
    let is_own = |resource: &Value| {
        let rest = resource.as_str().and_then(|text| text.strip_prefix(&own));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest == "*")
    };
    let is_of = |statement: &Value| {
        let named = statement.get("Resource").or(statement.get("NotResource"));
        named.is_some_and(|named| one_or_several(named).iter().all(is_own))
    };
    one_or_several(&policy["Statement"]).iter().all(is_of)
}

fn malformed(message: impl Into<std::borrow::Cow<'static, str>>) -> Fault {
    Fault::new("MalformedPolicy", 400, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(policy: &Value) -> String {
        let refused = read(policy.to_string().as_bytes(), "b").unwrap_err();
        format!("{}: {}", refused.code, refused.message)
    }

    #[test]
    fn a_policy_is_of_its_own_bucket() {
        let policy = |resource: Value| {
            json!({"Version": "2012-10-17", "Statement": {
                "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:user/ada"},
                "Action": "s3:*", "Resource": resource,
            }})
        };
        for resource in [
            json!("arn:aws:s3:::b"),
            json!(["arn:aws:s3:::b", "arn:aws:s3:::b/*"]),
            json!("arn:aws:s3:::b/x/*"),
            json!("arn:aws:s3:::b*"),
        ] {
            read(policy(resource).to_string().as_bytes(), "b").unwrap();
        }
        for resource in [
            json!("*"),
            json!("arn:aws:s3:::bb"),
            json!(["arn:aws:s3:::b", "arn:aws:s3:::c"]),
        ] {
            let why = refused(&policy(resource));
            assert_eq!(why, "MalformedPolicy: Policy has invalid resource");
        }
        let why = refused(&json!([]));
        assert!(why.contains("must be valid JSON"), "{why}");
        let why = refused(&json!({"Statement": [{"Effect": "Allow"}]}));
        assert!(why.starts_with("MalformedPolicy: "), "{why}");
        let mut long = policy(json!("arn:aws:s3:::b"));
        long["Id"] = "x".repeat(POLICY_BYTES_MAX).into();
        assert!(refused(&long).starts_with("PolicyTooLarge"));
    }
}
