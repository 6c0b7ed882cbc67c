//! Receipts as callers hand them in.

use kiln_store::messages::Receipt;

use crate::error::Result;
use crate::sqs::refusal::bad_receipt;

/// A receipt, with the text that it was.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    pub(super) receipt: Receipt,
    pub(super) text: String,
}

impl Handle {
    pub(super) fn read(text: String) -> Result<Self> {
        match text.parse() {
            Ok(receipt) => Ok(Self { receipt, text }),
            Err(_) => Err(bad_receipt(&text)),
        }
    }
}
