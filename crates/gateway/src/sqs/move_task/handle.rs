//! Task handles: the task and its queue, in base64, as AWS has them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::sqs::refusal::invalid;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Handle {
    pub(super) task_id: i64,
    pub(super) source_arn: String,
}

impl Handle {
    pub(super) fn text(&self) -> String {
        let text = serde_json::to_string(self).expect("texts and numbers are always JSON");
        BASE64_STANDARD.encode(text)
    }

    pub(super) fn read(text: &str) -> Result<Self> {
        let bytes = BASE64_STANDARD.decode(text).ok();
        let handle = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        handle.ok_or_else(|| invalid("Value for parameter TaskHandle is invalid."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_reads_back_and_garbage_does_not() {
        let handle = Handle {
            task_id: 7,
            source_arn: "arn:aws:sqs:us-east-1:000000000000:q".to_owned(),
        };
        assert_eq!(Handle::read(&handle.text()), Ok(handle));
        assert!(Handle::read("foobar").is_err());
    }
}
