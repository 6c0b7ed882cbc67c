//! Policies that functions answer with: which routes a caller may use.
//!
//! A route may be used when a statement allows it and none denies it. What is not understood of a statement
//! that allows makes it not count; of one that denies it does not.

use kiln_policy::is_like;
use serde::Deserialize;
use serde_json::Value;

/// The one thing that callers do with routes.
const ACTION: &str = "execute-api:invoke";

/// A policy.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Policy {
    #[serde(rename = "Statement")]
    statements: OneOrMany<Statement>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    effect: Effect,
    action: Option<OneOrMany<String>>,
    not_action: Option<Value>,
    resource: Option<OneOrMany<String>>,
    not_resource: Option<Value>,
    condition: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Effect {
    Allow,
    Deny,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl Policy {
    /// Whether the route that this ARN is of may be used.
    pub(super) fn allows(&self, arn: &str) -> bool {
        let statements = self.statements.as_slice();
        let said = |effect| {
            let mut statements = statements.iter().filter(|found| found.effect == effect);
            statements.any(|statement| statement.is_about(arn))
        };
        said(Effect::Allow) && !said(Effect::Deny)
    }
}

impl Statement {
    fn is_about(&self, arn: &str) -> bool {
        let is_denied = self.effect == Effect::Deny;
        if self.condition.is_some() && !is_denied {
            return false;
        }
        let is_action = |pattern: &String| is_like(&pattern.to_ascii_lowercase(), ACTION);
        let is_resource = |pattern: &String| is_like(pattern, arn);
        let acts = match (&self.action, &self.not_action) {
            (Some(actions), None) => actions.as_slice().iter().any(is_action),
            _ => is_denied,
        };
        let names = match (&self.resource, &self.not_resource) {
            (Some(resources), None) => resources.as_slice().iter().any(is_resource),
            _ => is_denied,
        };
        acts && names
    }
}

impl<T> OneOrMany<T> {
    fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ARN: &str = "arn:aws:execute-api:us-east-1:000000000000:abc/prod/GET/pets/1";

    fn allows(statements: Value) -> bool {
        let policy: Policy = serde_json::from_value(json!({"Statement": statements})).unwrap();
        policy.allows(ARN)
    }

    fn statement(effect: &str, action: &str, resource: &str) -> Value {
        json!({"Effect": effect, "Action": action, "Resource": resource})
    }

    #[test]
    fn a_route_may_be_used_when_a_statement_says_so() {
        for resource in [
            "*",
            ARN,
            "arn:aws:execute-api:*:*:abc/*/GET/*",
            "arn:aws:execute-api:*",
        ] {
            assert!(
                allows(statement("Allow", "execute-api:Invoke", resource)),
                "{resource}"
            );
        }
        for resource in ["", "abc/*", "arn:aws:execute-api:*:*:abc/*/PUT/*"] {
            assert!(
                !allows(statement("Allow", "execute-api:Invoke", resource)),
                "{resource}"
            );
        }
        for (action, may) in [
            ("*", true),
            ("Execute-Api:*", true),
            ("lambda:Invoke", false),
        ] {
            assert_eq!(allows(statement("Allow", action, "*")), may, "{action}");
        }
        let lists = json!({"Effect": "Allow", "Action": ["a", "execute-api:Invoke"], "Resource": ["b", ARN]});
        assert!(allows(json!([lists])));
        assert!(!allows(json!([])));
    }

    #[test]
    fn a_denial_counts_more() {
        let allow = statement("Allow", "*", "*");
        assert!(!allows(json!([
            allow,
            statement("Deny", "execute-api:Invoke", ARN)
        ])));
        assert!(allows(json!([
            allow,
            statement("Deny", "execute-api:Invoke", "other")
        ])));
        assert!(!allows(statement("Deny", "*", "*")));
    }

    #[test]
    fn what_is_not_understood_opens_nothing() {
        let allow = statement("Allow", "*", "*");
        let with = |effect: &str, member: &str| {
            let mut statement = statement(effect, "*", "*");
            statement[member] = json!({"IpAddress": {"aws:SourceIp": "10.0.0.1"}});
            statement
        };
        for member in ["Condition", "NotAction", "NotResource"] {
            assert!(!allows(with("Allow", member)), "{member}");
            assert!(!allows(json!([allow, with("Deny", member)])), "{member}");
        }
        assert!(!allows(json!({"Effect": "Allow", "Resource": "*"})));
    }
}
