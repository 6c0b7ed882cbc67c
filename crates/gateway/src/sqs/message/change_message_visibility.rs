//! `ChangeMessageVisibility`: how long a message that was received is hidden from others.

use std::time::Duration;

use kiln_store::messages::{Changed, VISIBILITY_MAX};

use super::receipt::Handle;
use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::sqs::address;
use crate::sqs::generated::ChangeMessageVisibilityRequest as Input;
use crate::sqs::refusal::{bad_receipt, invalid_value};

/// What is asked for.
pub(super) struct Asked {
    pub(super) handle: Handle,
    pub(super) timeout: Duration,
}

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let queue = address::queue(context, &input.queue_url)?;
    let asked = Asked::read(input.receipt_handle, input.visibility_timeout)?;
    let changes = vec![(asked.handle.receipt, asked.timeout)];
    let messages = context.deps.store.messages();
    let changed = messages
        .change_visibility(&queue.id, changes, context.now)
        .await?;
    match changed.first().and_then(|told| refusal(*told, &asked)) {
        Some(refusal) => Err(refusal),
        None => Ok(()),
    }
}

impl Asked {
    pub(super) fn read(receipt: String, timeout_secs: i64) -> Result<Self> {
        let handle = Handle::read(receipt)?;
        if !(0..=VISIBILITY_MAX.as_secs() as i64).contains(&timeout_secs) {
            let reason = "VisibilityTimeout must be an integer between 0 and 43200";
            return Err(invalid_value(timeout_secs, "VisibilityTimeout", reason));
        }
        let timeout = Duration::from_secs(timeout_secs as u64);
        Ok(Self { handle, timeout })
    }
}

/// Why it was not changed.
pub(super) fn refusal(told: Changed, asked: &Asked) -> Option<ApiError> {
    let text = &asked.handle.text;
    match told {
        Changed::Done => None,
        Changed::OtherQueue => Some(bad_receipt(text)),
        Changed::Gone => Some(invalid_value(
            text,
            "ReceiptHandle",
            "Message does not exist or is not available for visibility timeout change.",
        )),
        Changed::TooLong => Some(invalid_value(
            asked.timeout.as_secs(),
            "VisibilityTimeout",
            "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]",
        )),
    }
}
