//! A queue's attributes: AWS's names and texts for the store's settings.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use kiln_store::messages::{Encryption, Fifo, MessageQueue, Settings};
use kiln_types::limits::MESSAGE_BYTES_MAX;
use kiln_types::{QueueId, Timestamp};

use super::redrive;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::sqs::address::arn;

/// A queue's policy (SQS quotas page).
const POLICY_BYTES_MAX: usize = 8_192;
/// How long a data key is used unless set, as it is shown.
const KEY_REUSE_SECS: u32 = 300;

/// Every attribute's name, also those that only some queues have and those that cannot be set.
const NAMES: [&str; 22] = [
    "All",
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "ContentBasedDeduplication",
    "CreatedTimestamp",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "LastModifiedTimestamp",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "Policy",
    "QueueArn",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
];

/// Whether a queue may have an attribute of this name.
pub(in crate::sqs) fn is_known(name: &str) -> bool {
    NAMES.contains(&name)
}

/// There is no such attribute, or it cannot be set.
pub(super) fn unknown(name: &str) -> ApiError {
    let message = format!("Unknown Attribute {name}.");
    ApiError::new(Exception::InvalidAttributeName, message)
}

fn invalid(name: &str) -> ApiError {
    let message = format!("Invalid value for the parameter {name}.");
    ApiError::new(Exception::InvalidAttributeValue, message)
}

/// Changes settings as attributes say; an empty text takes away what can be taken away.
pub(super) fn apply(
    context: &Context,
    queue: &QueueId,
    given: &BTreeMap<String, String>,
    settings: &mut Settings,
) -> Result<()> {
    for (name, value) in given {
        let number = |range| number(name, value, range);
        match name.as_str() {
            "VisibilityTimeout" => settings.visibility_timeout_secs = number(0..=43_200)?,
            "DelaySeconds" => settings.delay_secs = number(0..=900)?,
            "MessageRetentionPeriod" => settings.retention_secs = number(60..=1_209_600)?,
            "MaximumMessageSize" => {
                settings.bytes_max = number(1_024..=MESSAGE_BYTES_MAX as u32)?;
            }
            "ReceiveMessageWaitTimeSeconds" => settings.wait_secs = number(0..=20)?,
            "Policy" => settings.policy = policy(value)?,
            "RedrivePolicy" => settings.redrive = redrive::read(context, queue, value)?,
            "RedriveAllowPolicy" => settings.redrive_allow = redrive::read_allow(value)?,
            "KmsMasterKeyId" => {
                settings.encryption.key = Some(value.clone()).filter(|key| !key.is_empty());
            }
            "KmsDataKeyReusePeriodSeconds" => {
                settings.encryption.reuse_secs = Some(number(60..=86_400)?);
            }
            "SqsManagedSseEnabled" => settings.encryption.is_managed = Some(truth(name, value)?),
            // Whether it may be there was asked before.
            "FifoQueue" if queue.name.is_fifo() => {}
            name => match &mut settings.fifo {
                Some(fifo) => apply_to_fifo(name, value, fifo)?,
                None => return Err(unknown(name)),
            },
        }
    }
    check_encryption(given, &mut settings.encryption)?;
    let fifo = settings.fifo.as_ref();
    if fifo.is_some_and(|fifo| fifo.is_limited_by_group && !fifo.deduplicates_by_group) {
        return Err(invalid("FifoThroughputLimit"));
    }
    Ok(())
}

fn apply_to_fifo(name: &str, value: &str, fifo: &mut Fifo) -> Result<()> {
    match (name, value) {
        ("ContentBasedDeduplication", _) => fifo.deduplicates_by_content = truth(name, value)?,
        ("DeduplicationScope", "messageGroup") => fifo.deduplicates_by_group = true,
        ("DeduplicationScope", "queue") => fifo.deduplicates_by_group = false,
        ("FifoThroughputLimit", "perMessageGroupId") => fifo.is_limited_by_group = true,
        ("FifoThroughputLimit", "perQueue") => fifo.is_limited_by_group = false,
        ("DeduplicationScope" | "FifoThroughputLimit", _) => return Err(invalid(name)),
        _ => return Err(unknown(name)),
    }
    Ok(())
}

/// A key of one's own and the service's are one or the other.
fn check_encryption(given: &BTreeMap<String, String>, encryption: &mut Encryption) -> Result<()> {
    if encryption.key.is_none() || encryption.is_managed != Some(true) {
        return Ok(());
    }
    let sets = |name| given.contains_key(name);
    if sets("KmsMasterKeyId") && !sets("SqsManagedSseEnabled") {
        encryption.is_managed = Some(false);
        return Ok(());
    }
    let message = "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.";
    Err(ApiError::new(Exception::InvalidAttributeName, message))
}

fn number(name: &str, value: &str, range: RangeInclusive<u32>) -> Result<u32> {
    let number = value.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| invalid(name))
}

fn truth(name: &str, value: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(invalid(name)),
    }
}

fn policy(value: &str) -> Result<Option<String>> {
    if value.is_empty() {
        return Ok(None);
    }
    let is_document =
        serde_json::from_str(value).is_ok_and(|value: serde_json::Value| value.is_object());
    match is_document && value.len() <= POLICY_BYTES_MAX {
        true => Ok(Some(value.to_owned())),
        false => Err(invalid("Policy")),
    }
}

/// Whether an attribute has this value already.
pub(super) fn is_same(name: &str, present: &str, given: &str) -> bool {
    let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    match name {
        "Policy" | "RedriveAllowPolicy" => parsed(present) == parsed(given),
        "RedrivePolicy" => redrive::is_same(present, given),
        _ => present.eq_ignore_ascii_case(given),
    }
}

/// All attributes of a queue.
pub(super) fn shown(context: &Context, queue: &MessageQueue) -> BTreeMap<String, String> {
    let settings = &queue.settings;
    let count = context.deps.store.messages().count(&queue.id, context.now);
    let count = count.unwrap_or_default();
    let secs = |time: Timestamp| (time.as_millis() / 1_000).to_string();
    let mut shown: BTreeMap<&str, String> = BTreeMap::from([
        ("ApproximateNumberOfMessages", count.visible.to_string()),
        (
            "ApproximateNumberOfMessagesDelayed",
            count.delayed.to_string(),
        ),
        (
            "ApproximateNumberOfMessagesNotVisible",
            count.in_flight.to_string(),
        ),
        ("CreatedTimestamp", secs(queue.created)),
        ("DelaySeconds", settings.delay_secs.to_string()),
        ("LastModifiedTimestamp", secs(queue.modified)),
        ("MaximumMessageSize", settings.bytes_max.to_string()),
        (
            "MessageRetentionPeriod",
            settings.retention_secs.to_string(),
        ),
        ("QueueArn", arn(context, &queue.id).to_string()),
        (
            "ReceiveMessageWaitTimeSeconds",
            settings.wait_secs.to_string(),
        ),
        (
            "VisibilityTimeout",
            settings.visibility_timeout_secs.to_string(),
        ),
    ]);
    if let Some(policy) = &settings.policy {
        shown.insert("Policy", policy.clone());
    }
    if let Some(redrive) = &settings.redrive {
        shown.insert("RedrivePolicy", redrive::text(redrive));
    }
    if let Some(allow) = &settings.redrive_allow {
        shown.insert("RedriveAllowPolicy", redrive::allow_text(allow));
    }
    show_encryption(&settings.encryption, &mut shown);
    if let Some(fifo) = &settings.fifo {
        show_fifo(fifo, &mut shown);
    }
    shown
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn show_encryption(encryption: &Encryption, shown: &mut BTreeMap<&str, String>) {
    if let Some(key) = &encryption.key {
        let reuse_secs = encryption.reuse_secs.unwrap_or(KEY_REUSE_SECS);
        shown.insert("KmsMasterKeyId", key.clone());
        shown.insert("KmsDataKeyReusePeriodSeconds", reuse_secs.to_string());
    }
    let is_managed = encryption.is_managed.unwrap_or(encryption.key.is_none());
    shown.insert("SqsManagedSseEnabled", is_managed.to_string());
}

fn show_fifo(fifo: &Fifo, shown: &mut BTreeMap<&str, String>) {
    let scope = if fifo.deduplicates_by_group {
        "messageGroup"
    } else {
        "queue"
    };
    let limit = if fifo.is_limited_by_group {
        "perMessageGroupId"
    } else {
        "perQueue"
    };
    shown.insert("FifoQueue", "true".to_owned());
    shown.insert(
        "ContentBasedDeduplication",
        fifo.deduplicates_by_content.to_string(),
    );
    shown.insert("DeduplicationScope", scope.to_owned());
    shown.insert("FifoThroughputLimit", limit.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::fixture::Fixture;

    fn id(name: &str) -> QueueId {
        QueueId {
            account: Default::default(),
            name: name.parse().unwrap(),
        }
    }

    async fn applied(queue: &str, given: &[(&str, &str)]) -> Result<Settings> {
        let fixture = Fixture::new().await;
        let id = id(queue);
        let mut settings = Settings {
            fifo: id.name.is_fifo().then(Fifo::default),
            ..Settings::default()
        };
        let given = given
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect();
        apply(&fixture.context, &id, &given, &mut settings).map(|()| settings)
    }

    #[tokio::test]
    async fn values_out_of_range_are_refused_by_name() {
        for (name, good, bad) in [
            ("VisibilityTimeout", "43200", "43201"),
            ("DelaySeconds", "900", "901"),
            ("MessageRetentionPeriod", "60", "59"),
            ("MaximumMessageSize", "1048576", "1048577"),
            ("MaximumMessageSize", "1024", "1023"),
            ("ReceiveMessageWaitTimeSeconds", "20", "-1"),
            ("KmsDataKeyReusePeriodSeconds", "86400", "x"),
            ("Policy", "{}", "nonsense"),
            ("SqsManagedSseEnabled", "false", "no"),
        ] {
            assert!(applied("q", &[(name, good)]).await.is_ok(), "{name}");
            let refused = applied("q", &[(name, bad)]).await.unwrap_err();
            assert_eq!(refused.exception, Exception::InvalidAttributeValue);
            assert_eq!(
                refused.message,
                format!("Invalid value for the parameter {name}.")
            );
        }
    }

    #[tokio::test]
    async fn what_a_queue_cannot_have_is_unknown() {
        for (queue, name) in [
            ("q", "FifoQueue"),
            ("q", "ContentBasedDeduplication"),
            ("q", "QueueArn"),
            ("q.fifo", "ApproximateNumberOfMessages"),
            ("q.fifo", "Nonsense"),
        ] {
            let refused = applied(queue, &[(name, "true")]).await.unwrap_err();
            assert_eq!(refused.exception, Exception::InvalidAttributeName);
            assert_eq!(refused.message, format!("Unknown Attribute {name}."));
        }
    }

    #[tokio::test]
    async fn throughput_by_group_needs_deduplication_by_group() {
        let limit = ("FifoThroughputLimit", "perMessageGroupId");
        assert!(applied("q.fifo", &[limit]).await.is_err());
        let both = [limit, ("DeduplicationScope", "messageGroup")];
        assert!(applied("q.fifo", &both).await.is_ok());
    }

    #[tokio::test]
    async fn encryption_is_one_or_the_other() {
        let both = [("KmsMasterKeyId", "k"), ("SqsManagedSseEnabled", "true")];
        let refused = applied("q", &both).await.unwrap_err();
        assert_eq!(refused.exception, Exception::InvalidAttributeName);
        assert!(applied("q", &[("KmsMasterKeyId", "k")]).await.is_ok());
    }
}
