//! Resource policies as AWS writes them: JSON text with keys in AWS's order.

use kiln_policy::{Policy, PolicyKind};
use kiln_types::policy::{Condition, Principal, ResourcePolicy, Statement};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::access::one_or_several;

/// One statement, as `AddPermission` returns it.
pub(crate) fn statement_text(statement: &Statement) -> String {
    to_text(&StatementDocument::of(statement))
}

/// The whole policy, as `GetPolicy` returns it: in the words in which it was put, with the statements that were added since.
pub(crate) fn policy_text(policy: &ResourcePolicy) -> String {
    let Some(document) = &policy.document else {
        return added_text(policy);
    };
    if policy.statements.is_empty() {
        return document.clone();
    }
    let mut document = read(document);
    let added = policy.statements.iter().map(StatementDocument::of);
    let added = added.map(|statement| serde_json::to_value(statement).expect("texts are JSON"));
    let mut statements = take_statements(&mut document);
    statements.extend(added);
    document["Statement"] = Value::Array(statements);
    to_text(&document)
}

/// Whether policies that have the statement can be judged by.
pub(crate) fn is_readable(statement: &Statement) -> bool {
    let alone = ResourcePolicy {
        statements: vec![statement.clone()],
        ..ResourcePolicy::default()
    };
    Policy::parse(PolicyKind::Resource, &added_text(&alone)).is_ok()
}

/// Whether a statement of the policy has this id.
pub(crate) fn has_statement(policy: &ResourcePolicy, sid: &str) -> bool {
    let is_added = policy.statements.iter().any(|added| added.sid == sid);
    is_added || {
        let document = policy.document.as_deref().map(read);
        let put = document
            .as_ref()
            .map(|put| one_or_several(&put["Statement"]));
        put.unwrap_or_default().iter().any(|put| put["Sid"] == sid)
    }
}

/// Takes the statement with this id out of the policy. What is left with no statement at all is no policy.
pub(crate) fn remove_statement(policy: &mut ResourcePolicy, sid: &str) {
    let before = policy.statements.len();
    policy.statements.retain(|added| added.sid != sid);
    if policy.statements.len() < before {
        return;
    }
    let Some(mut document) = policy.document.as_deref().map(read) else {
        return;
    };
    let mut statements = take_statements(&mut document);
    statements.retain(|put| put["Sid"] != sid);
    policy.document = (!statements.is_empty()).then(|| {
        document["Statement"] = Value::Array(statements);
        to_text(&document)
    });
}

/// It was read when it was put.
fn read(document: &str) -> Value {
    serde_json::from_str(document).unwrap_or_default()
}

/// Its statements, of which one may stand without brackets.
fn take_statements(document: &mut Value) -> Vec<Value> {
    match document["Statement"].take() {
        Value::Array(several) => several,
        one => vec![one],
    }
}

fn added_text(policy: &ResourcePolicy) -> String {
    to_text(&PolicyDocument {
        version: "2012-10-17",
        id: "default",
        statement: policy
            .statements
            .iter()
            .map(StatementDocument::of)
            .collect(),
    })
}

fn to_text(document: &impl Serialize) -> String {
    serde_json::to_string(document).expect("texts and maps with text keys are always JSON")
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyDocument<'a> {
    version: &'static str,
    id: &'static str,
    statement: Vec<StatementDocument<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StatementDocument<'a> {
    sid: &'a str,
    effect: &'static str,
    principal: PrincipalDocument<'a>,
    action: &'a str,
    resource: &'a str,
    #[serde(skip_serializing_if = "Conditions::is_empty")]
    condition: Conditions<'a>,
}

struct PrincipalDocument<'a>(&'a Principal);

struct Conditions<'a>(&'a [Condition]);

/// The conditions of one operator.
struct Tests<'a>(&'a [Condition], &'a str);

impl<'a> StatementDocument<'a> {
    fn of(statement: &'a Statement) -> Self {
        Self {
            sid: &statement.sid,
            effect: "Allow",
            principal: PrincipalDocument(&statement.principal),
            action: &statement.action,
            resource: &statement.resource,
            condition: Conditions(&statement.conditions),
        }
    }
}

impl Serialize for PrincipalDocument<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Principal::Any => to.serialize_str("*"),
            Principal::Aws(who) => to.collect_map([("AWS", who)]),
            Principal::Service(who) => to.collect_map([("Service", who)]),
        }
    }
}

impl Conditions<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Conditions<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        let mut written: Vec<&str> = Vec::new();
        for condition in self.0 {
            let operator = condition.operator.as_str();
            if !written.contains(&operator) {
                written.push(operator);
                map.serialize_entry(operator, &Tests(self.0, operator))?;
            }
        }
        map.end()
    }
}

impl Serialize for Tests<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let tests = self
            .0
            .iter()
            .filter(|condition| condition.operator == self.1);
        to.collect_map(tests.map(|condition| (&condition.key, &condition.value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(principal: Principal, conditions: &[(&str, &str, &str)]) -> Statement {
        let condition = |(operator, key, value): &(&str, &str, &str)| Condition {
            operator: (*operator).into(),
            key: (*key).into(),
            value: (*value).into(),
        };
        Statement {
            sid: "s1".into(),
            principal,
            action: "lambda:InvokeFunction".into(),
            resource: "arn:aws:lambda:us-east-1:123456789012:function:f".into(),
            conditions: conditions.iter().map(condition).collect(),
        }
    }

    #[test]
    fn a_statement_without_conditions_has_no_condition_member() {
        assert_eq!(
            statement_text(&statement(
                Principal::Service("s3.amazonaws.com".into()),
                &[]
            )),
            r#"{"Sid":"s1","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:us-east-1:123456789012:function:f"}"#
        );
    }

    #[test]
    fn conditions_are_grouped_by_operator_in_the_order_given() {
        let conditions = [
            ("StringEquals", "AWS:SourceAccount", "1"),
            ("ArnLike", "AWS:SourceArn", "arn:x"),
            ("StringEquals", "lambda:FunctionUrlAuthType", "NONE"),
        ];
        let text = statement_text(&statement(Principal::Any, &conditions));
        assert!(text.contains(r#""Principal":"*""#), "{text}");
        assert!(
            text.ends_with(
                r#""Condition":{"StringEquals":{"AWS:SourceAccount":"1","lambda:FunctionUrlAuthType":"NONE"},"ArnLike":{"AWS:SourceArn":"arn:x"}}}"#
            ),
            "{text}"
        );
    }

    #[test]
    fn a_policy_that_was_put_keeps_its_words_until_it_is_added_to() {
        let put = r#"{ "Version": "2012-10-17", "Id": "own", "Statement": {"Sid": "a", "Effect": "Deny", "Principal": "*", "Action": "lambda:*", "Resource": "*"} }"#;
        let mut policy = ResourcePolicy {
            document: Some(put.to_owned()),
            ..Default::default()
        };
        assert_eq!(policy_text(&policy), put);
        assert!(has_statement(&policy, "a") && !has_statement(&policy, "s1"));
        policy.statements.push(statement(Principal::Any, &[]));
        let both: Value = serde_json::from_str(&policy_text(&policy)).unwrap();
        assert_eq!(both["Id"], "own");
        assert_eq!(both["Statement"][0]["Effect"], "Deny");
        assert_eq!(both["Statement"][1]["Sid"], "s1");
        assert!(has_statement(&policy, "s1"));
        remove_statement(&mut policy, "a");
        assert_eq!(policy.document, None);
        assert!(policy_text(&policy).contains("s1") && !policy.is_empty());
        remove_statement(&mut policy, "s1");
        assert!(policy.is_empty());
    }

    #[test]
    fn a_policy_wraps_its_statements() {
        let root = Principal::Aws("arn:aws:iam::123456789012:root".into());
        let policy = ResourcePolicy {
            statements: vec![statement(root, &[])],
            ..Default::default()
        };
        let text = policy_text(&policy);
        assert!(
            text.starts_with(r#"{"Version":"2012-10-17","Id":"default","Statement":[{"Sid":"s1","#)
        );
        assert!(text.contains(r#""Principal":{"AWS":"arn:aws:iam::123456789012:root"}"#));
    }
}
