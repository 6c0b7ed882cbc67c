//! `PutPermission`: keeps a statement of a bus's resource policy, or all of it.
//!
//! AWS differs: nothing is done with it; a bus is its own account's.

use kiln_types::limits;
use serde_json::{Value, json};

use super::bus;
use super::generated::PutPermissionRequest as Input;
use super::refusal::invalid;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let id = bus::named(context, input.event_bus_name.as_deref())?;
    let arn = id.arn(&context.config.region).to_string();
    let given = match &input.policy {
        Some(policy) => Given::All(statements(policy)?),
        None => Given::One(statement(&input, &arn)?),
    };
    let now = context.now;
    let changed = context.deps.store.buses().update(&id, move |bus| {
        match given {
            Given::All(statements) => bus.policy = statements,
            Given::One(statement) => {
                bus.policy.retain(|known| known["Sid"] != statement["Sid"]);
                bus.policy.push(statement);
            }
        }
        bus.modified = Some(now);
        match bus::policy(bus) {
            Some(text) if text.len() > limits::BUS_POLICY_BYTES_MAX => Err(ApiError::new(
                Exception::PolicyLengthExceeded,
                "The event bus policy is too long.",
            )),
            _ => Ok::<_, ApiError>(()),
        }
    });
    changed.await.map(|_| ())
}

enum Given {
    All(Vec<Value>),
    One(Value),
}

fn statements(policy: &str) -> Result<Vec<Value>> {
    let wrong = || invalid("Parameter Policy is not valid. Reason: it is no policy document.");
    let document: Value = serde_json::from_str(policy).map_err(|_| wrong())?;
    match &document["Statement"] {
        Value::Array(statements) if statements.iter().all(Value::is_object) => {
            Ok(statements.clone())
        }
        one @ Value::Object(_) => Ok(vec![one.clone()]),
        _ => Err(wrong()),
    }
}

fn statement(input: &Input, arn: &str) -> Result<Value> {
    let (Some(action), Some(principal), Some(sid)) =
        (&input.action, &input.principal, &input.statement_id)
    else {
        return Err(invalid(
            "Parameter(s) Action, Principal and StatementId, or Policy, must be specified.",
        ));
    };
    let principal = match principal.as_str() {
        "*" => json!("*"),
        account => json!({"AWS": format!("arn:aws:iam::{account}:root")}),
    };
    let mut statement = json!({
        "Sid": sid,
        "Effect": "Allow",
        "Principal": principal,
        "Action": action,
        "Resource": arn,
    });
    if let Some(condition) = &input.condition {
        let (kind, key, value) = (&condition.type_, &condition.key, &condition.value);
        statement["Condition"] = json!({kind: {key: value}});
    }
    Ok(statement)
}
