//! Statements of a topic's policy that callers add by a label.
//!
//! AWS differs: the policy is kept and shown, and not asked.

use serde_json::{Map, Value};

pub(super) mod add_permission;
pub(super) mod remove_permission;

/// The statements of a policy, which may be one that stands alone.
fn take_statements(policy: &mut Map<String, Value>) -> Vec<Value> {
    match policy.remove("Statement") {
        Some(Value::Array(statements)) => statements,
        Some(one) => vec![one],
        None => Vec::new(),
    }
}

fn has_label(statement: &Value, label: &str) -> bool {
    statement.get("Sid").and_then(Value::as_str) == Some(label)
}
