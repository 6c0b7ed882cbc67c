//! `RedrivePolicy` and `RedriveAllowPolicy`: JSON in a text.

use kiln_store::messages::{Redrive, RedriveAllow};
use kiln_types::{QueueArn, QueueId};
use serde_json::{Map, Value, json};

use crate::context::Context;
use crate::error::Result;
use crate::sqs::address::{arn, by_arn};
use crate::sqs::refusal::invalid_value;

/// Receives before a message becomes a dead letter (API reference, `CreateQueue`).
const RECEIVES_MAX: u64 = 1_000;
/// Queues that a policy may name (API reference, `CreateQueue`).
const SOURCES_MAX: usize = 10;

const TARGET: &str = "deadLetterTargetArn";
const COUNT: &str = "maxReceiveCount";

/// Where dead letters go; nowhere when the text is empty.
pub(super) fn read(context: &Context, queue: &QueueId, text: &str) -> Result<Option<Redrive>> {
    if text.is_empty() {
        return Ok(None);
    }
    let refuse = |reason: &str| invalid_value(text, "RedrivePolicy", reason);
    let policy: Map<String, Value> = serde_json::from_str(text)
        .map_err(|_| refuse("Redrive policy is not a valid JSON map."))?;
    let lacks = |name: &str| {
        refuse(&format!(
            "Redrive policy does not contain mandatory attribute: {name}."
        ))
    };
    let count = policy.get(COUNT).ok_or_else(|| lacks(COUNT))?;
    let target = policy.get(TARGET).ok_or_else(|| lacks(TARGET))?;
    if policy.len() > 2 {
        let reason =
            "Only following attributes are supported: [deadLetterTargetArn, maxReceiveCount].";
        return Err(refuse(reason));
    }
    let receives_max = whole(count).filter(|count| (1..=RECEIVES_MAX).contains(count));
    let receives_max = receives_max.ok_or_else(|| {
        let shown = count.as_str().map_or_else(|| count.to_string(), str::to_owned);
        refuse(&format!(
            "Invalid value for maxReceiveCount: {shown}, valid values are from 1 to 1000 both inclusive."
        ))
    })?;
    let target = target.as_str().unwrap_or_default();
    let dead_letters = target.parse::<QueueArn>();
    let dead_letters =
        dead_letters.map_err(|_| refuse("Invalid value for deadLetterTargetArn."))?;
    let own =
        by_arn(context, target).ok_or_else(|| refuse("Dead letter target does not exist."))?;
    check_target(context, queue, &own).map_err(refuse)?;
    Ok(Some(Redrive {
        dead_letters,
        receives_max: receives_max as u32,
    }))
}

fn check_target(
    context: &Context,
    queue: &QueueId,
    target: &QueueId,
) -> std::result::Result<(), &'static str> {
    if target == queue {
        return Err("A queue cannot be its own dead letter target.");
    }
    let found = context.deps.store.messages().get(target);
    let found = found.ok_or("Dead letter target does not exist.")?;
    if found.is_fifo() != queue.name.is_fifo() {
        return Err("Dead-letter queue must be same type of queue as the source.");
    }
    let source = arn(context, queue);
    let is_allowed = match &found.settings.redrive_allow {
        None | Some(RedriveAllow::All) => true,
        Some(RedriveAllow::None) => false,
        Some(RedriveAllow::Queues(queues)) => queues.contains(&source),
    };
    match is_allowed {
        true => Ok(()),
        false => Err("The dead letter target does not allow this queue as a source."),
    }
}

/// A number, also as a text, which clients send.
fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// As it is shown.
pub(super) fn text(redrive: &Redrive) -> String {
    json!({TARGET: redrive.dead_letters, COUNT: redrive.receives_max}).to_string()
}

/// Whether two texts say the same.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    let parts = |text: &str| {
        let policy: Map<String, Value> = serde_json::from_str(text).ok()?;
        Some((
            policy.get(TARGET)?.as_str()?.to_owned(),
            whole(policy.get(COUNT)?)?,
        ))
    };
    parts(one) == parts(other)
}

/// Who may make the queue their dead-letter queue; everybody when the text is empty.
pub(super) fn read_allow(text: &str) -> Result<Option<RedriveAllow>> {
    if text.is_empty() {
        return Ok(None);
    }
    let refuse = |reason: &str| invalid_value(text, "RedriveAllowPolicy", reason);
    let policy: Map<String, Value> = serde_json::from_str(text)
        .map_err(|_| refuse("Redrive allow policy is not a valid JSON map."))?;
    let sources = policy.get("sourceQueueArns");
    match (
        policy.get("redrivePermission").and_then(Value::as_str),
        sources,
    ) {
        (Some("allowAll"), None) => Ok(Some(RedriveAllow::All)),
        (Some("denyAll"), None) => Ok(Some(RedriveAllow::None)),
        (Some("byQueue"), Some(Value::Array(sources))) if sources.len() <= SOURCES_MAX => {
            let arn = |source: &Value| source.as_str()?.parse().ok();
            let queues: Option<Vec<QueueArn>> = sources.iter().map(arn).collect();
            let queues = queues.ok_or_else(|| refuse("Invalid value for sourceQueueArns."))?;
            Ok(Some(RedriveAllow::Queues(queues)))
        }
        (Some("byQueue"), _) => Err(refuse("byQueue needs 1 to 10 sourceQueueArns.")),
        (Some("allowAll" | "denyAll"), Some(_)) => {
            Err(refuse("sourceQueueArns can only be there with byQueue."))
        }
        _ => Err(refuse(
            "redrivePermission must be allowAll, denyAll or byQueue.",
        )),
    }
}

/// As it is shown.
pub(super) fn allow_text(allow: &RedriveAllow) -> String {
    match allow {
        RedriveAllow::All => json!({"redrivePermission": "allowAll"}),
        RedriveAllow::None => json!({"redrivePermission": "denyAll"}),
        RedriveAllow::Queues(queues) => {
            json!({"redrivePermission": "byQueue", "sourceQueueArns": queues})
        }
    }
    .to_string()
}
