//! What a message queue's owner sets.

use kiln_types::QueueArn;
use kiln_types::limits::MESSAGE_BYTES_MAX;
use serde::{Deserialize, Serialize};

/// How a message queue treats its messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// How long a message that was received is hidden from others.
    pub visibility_timeout_secs: u32,
    /// How long a message that was sent is hidden from all.
    pub delay_secs: u32,
    /// How long a message is kept.
    pub retention_secs: u32,
    /// How large a message may be, attributes included.
    pub bytes_max: u32,
    /// How long a receive waits for messages unless it says so itself.
    pub wait_secs: u32,
    /// Where messages go that were received too often.
    pub redrive: Option<Redrive>,
    /// Who may make the queue their dead-letter queue.
    pub redrive_allow: Option<RedriveAllow>,
    /// Who may do what: JSON, as it was given.
    pub policy: Option<String>,
    /// How messages are encrypted, as it was given.
    pub encryption: Encryption,
    /// What only a FIFO queue has.
    pub fifo: Option<Fifo>,
}

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redrive {
    /// The dead-letter queue.
    pub dead_letters: QueueArn,
    /// How often a message is received before.
    pub receives_max: u32,
}

/// Who may make a queue their dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RedriveAllow {
    /// Every queue of the account.
    All,
    /// No queue.
    None,
    /// These.
    Queues(Vec<QueueArn>),
}

/// How messages are encrypted, as the owner wants it told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Encryption {
    /// With a key of the service. On unless set, as everywhere on AWS.
    pub is_managed: Option<bool>,
    /// With this key.
    pub key: Option<String>,
    /// How long a data key is used.
    pub reuse_secs: Option<u32>,
}

/// What only a FIFO queue has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fifo {
    /// Whether a message without a deduplication id is known again by its body.
    pub deduplicates_by_content: bool,
    /// Whether each group has deduplication ids of its own.
    pub deduplicates_by_group: bool,
    /// Whether throughput is told to be a group's: nothing is limited here either way.
    pub is_limited_by_group: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            visibility_timeout_secs: 30,
            delay_secs: 0,
            retention_secs: 4 * 24 * 60 * 60,
            bytes_max: MESSAGE_BYTES_MAX as u32,
            wait_secs: 0,
            redrive: None,
            redrive_allow: None,
            policy: None,
            encryption: Encryption::default(),
            fifo: None,
        }
    }
}
