//! What a function that judges callers says.
//!
//! Source: API Gateway developer guide, "Control access to HTTP APIs with AWS Lambda authorizers": yes or no
//! (`{"isAuthorized": …, "context": …}`) where the authorizer has simple responses, else a principal and a
//! policy.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::policy::Policy;

/// What a function said of a caller.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Judgement {
    /// Who the caller is.
    pub(super) principal: Option<String>,
    /// What else the function behind the route is told.
    pub(super) context: Option<Map<String, Value>>,
    verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq)]
enum Verdict {
    Simple(bool),
    Policy(Policy),
}

/// What a function said is no judgement; says why, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error(
        "a simple response must be an object with isAuthorized, true or false, and a context that is an object"
    )]
    Simple,
    #[error(
        "the response must be an object with a principalId, a policyDocument with statements, and a context that is an object"
    )]
    Policy,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Simple {
    is_authorized: bool,
    #[serde(default)]
    context: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detailed {
    principal_id: String,
    policy_document: Policy,
    #[serde(default)]
    context: Option<Map<String, Value>>,
}

impl Judgement {
    /// Reads what a function said.
    pub(super) fn read(result: &[u8], is_simple: bool) -> Result<Self, Unusable> {
        if is_simple {
            let said: Simple = serde_json::from_slice(result).map_err(|_| Unusable::Simple)?;
            return Ok(Self {
                principal: None,
                context: said.context,
                verdict: Verdict::Simple(said.is_authorized),
            });
        }
        let said: Detailed = serde_json::from_slice(result).map_err(|_| Unusable::Policy)?;
        Ok(Self {
            principal: Some(said.principal_id),
            context: said.context,
            verdict: Verdict::Policy(said.policy_document),
        })
    }

    /// Whether the caller may use the route that this ARN is of. A policy can say so of other routes too,
    /// for as long as it is kept.
    pub(super) fn lets_in(&self, route_arn: &str) -> bool {
        match &self.verdict {
            Verdict::Simple(is_authorized) => *is_authorized,
            Verdict::Policy(policy) => policy.allows(route_arn),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ARN: &str = "arn:aws:execute-api:us-east-1:000000000000:abc/$default/GET/pets";

    fn read(said: &Value, is_simple: bool) -> Result<Judgement, Unusable> {
        Judgement::read(said.to_string().as_bytes(), is_simple)
    }

    #[test]
    fn a_simple_response_is_yes_or_no() {
        let yes = read(&json!({"isAuthorized": true, "context": {"a": [1]}}), true).unwrap();
        assert!(yes.lets_in(ARN));
        assert_eq!(yes.context.unwrap()["a"], json!([1]));
        let no = read(&json!({"isAuthorized": false}), true).unwrap();
        assert!(!no.lets_in(ARN));
        for said in [
            json!({}),
            json!({"isAuthorized": "yes"}),
            json!(true),
            json!(null),
        ] {
            assert_eq!(read(&said, true), Err(Unusable::Simple), "{said}");
        }
    }

    #[test]
    fn a_detailed_response_has_a_principal_and_a_policy() {
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": ARN}],
        });
        let said = json!({"principalId": "ann", "policyDocument": policy});
        let judgement = read(&said, false).unwrap();
        assert_eq!(judgement.principal.as_deref(), Some("ann"));
        assert!(judgement.lets_in(ARN));
        assert!(
            !judgement.lets_in("arn:aws:execute-api:us-east-1:000000000000:abc/$default/PUT/pets")
        );
        for said in [
            json!({"policyDocument": policy}),
            json!({"principalId": "ann"}),
            json!({"principalId": "ann", "policyDocument": {}}),
            json!({"isAuthorized": true}),
        ] {
            assert_eq!(read(&said, false), Err(Unusable::Policy), "{said}");
        }
    }
}
