//! Statements of a queue's policy that callers add by a label.
//!
//! AWS differs: the policy is kept and shown, and not asked.

use serde_json::{Map, Value, json};

pub(super) mod add_permission;
pub(super) mod remove_permission;

/// A queue's policy as a document; a new one when it has none.
fn document(policy: Option<&str>, queue_arn: &str) -> Map<String, Value> {
    let present = policy.and_then(|text| serde_json::from_str(text).ok());
    present.unwrap_or_else(|| {
        let new = json!({
            "Version": "2008-10-17",
            "Id": format!("{queue_arn}/SQSDefaultPolicy"),
            "Statement": [],
        });
        match new {
            Value::Object(document) => document,
            _ => Map::new(),
        }
    })
}

/// The statements of a document, which may be one that stands alone.
fn statements(document: &mut Map<String, Value>) -> Vec<Value> {
    match document.remove("Statement") {
        Some(Value::Array(statements)) => statements,
        Some(one) => vec![one],
        None => Vec::new(),
    }
}

fn has_label(statement: &Value, label: &str) -> bool {
    statement.get("Sid").and_then(Value::as_str) == Some(label)
}

/// One value as it is, several as a list.
fn one_or_many(mut values: Vec<String>) -> Value {
    match values.len() {
        1 => values.remove(0).into(),
        _ => values.into(),
    }
}
