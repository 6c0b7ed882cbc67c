//! What a secret is to say.

use std::collections::BTreeSet;

use kiln_store::{NewVersion, SecretValue};
use kiln_types::RequestId;
use kiln_types::limits::SECRET_BYTES_MAX;

use super::refusal::invalid;
use crate::error::{ApiError, Exception, Result};
use crate::wire::{SecretBytes, SecretText};

/// Text or bytes, as far as there are any.
pub(super) fn read(
    text: Option<SecretText>,
    bytes: Option<SecretBytes>,
) -> Result<Option<SecretValue>> {
    let value = match (text, bytes) {
        (Some(_), Some(_)) => {
            return Err(invalid(
                "You can't specify both a binary secret value and a string secret value in the same secret.",
            ));
        }
        (Some(text), None) => SecretValue::Text(text.0),
        (None, Some(bytes)) => SecretValue::Bytes(bytes.0),
        (None, None) => return Ok(None),
    };
    if value.len() > SECRET_BYTES_MAX {
        let message = format!("A secret has at most {SECRET_BYTES_MAX} bytes.");
        return Err(ApiError::new(Exception::Validation, message));
    }
    Ok(Some(value))
}

/// A version that says this. Its id is the client's token, which its SDK has made if nobody else has.
pub(super) fn version(
    token: Option<String>,
    value: SecretValue,
    labels: Option<BTreeSet<String>>,
) -> NewVersion {
    NewVersion {
        id: token.unwrap_or_else(|| RequestId::random().to_string()),
        value,
        labels,
    }
}

/// A value as answers have it.
pub(super) fn show(value: SecretValue) -> (Option<SecretText>, Option<SecretBytes>) {
    match value {
        SecretValue::Text(text) => (Some(SecretText(text)), None),
        SecretValue::Bytes(bytes) => (None, Some(SecretBytes(bytes))),
    }
}
