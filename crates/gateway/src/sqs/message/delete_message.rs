//! `DeleteMessage`: removes a message that was handled; it is gone from the disk when this returns.

use kiln_store::messages::Receipted;

use super::receipt::Handle;
use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::sqs::address;
use crate::sqs::generated::DeleteMessageRequest as Input;
use crate::sqs::refusal::{bad_receipt, invalid_value};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let queue = address::queue(context, &input.queue_url)?;
    let handle = Handle::read(input.receipt_handle)?;
    let messages = context.deps.store.messages();
    let deleted = messages
        .delete(&queue.id, vec![handle.receipt], context.now)
        .await?;
    match deleted.first().and_then(|told| refusal(*told, &handle)) {
        Some(refusal) => Err(refusal),
        None => Ok(()),
    }
}

/// Why a receipt was not good.
pub(super) fn refusal(told: Receipted, handle: &Handle) -> Option<ApiError> {
    match told {
        Receipted::Done => None,
        Receipted::OtherQueue => Some(bad_receipt(&handle.text)),
        Receipted::Expired => {
            let reason = "The receipt handle has expired.";
            Some(invalid_value(&handle.text, "ReceiptHandle", reason))
        }
    }
}
