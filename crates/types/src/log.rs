//! Log records of functions.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::account::AccountId;
use crate::clock::Timestamp;

/// One record in a log stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Where it belongs.
    pub stream: Arc<LogStream>,
    /// When it was written.
    pub time: Timestamp,
    /// What it says, without the line's end.
    pub message: String,
}

/// A log stream: one instance's records, in its function's log group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LogStream {
    /// Whose.
    pub account: AccountId,
    /// The group, such as `/aws/lambda/sum`.
    pub group: String,
    /// The stream, such as `2026/11/23/[$LATEST]6f0c…`.
    pub name: String,
}
