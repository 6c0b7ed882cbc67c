//! The words in which AWS refuses a signature.
//!
//! Sources: the IAM user guide, "Troubleshoot Signature Version 4 signing for AWS API requests",
//! and answers as users report them.

use crate::error::{ApiError, Exception};

pub(super) fn missing() -> ApiError {
    ApiError::new(
        Exception::MissingAuthenticationToken,
        "Missing Authentication Token",
    )
}

pub(super) fn unrecognized() -> ApiError {
    let message = "The security token included in the request is invalid.";
    ApiError::new(Exception::UnrecognizedClient, message)
}

pub(super) fn expired() -> ApiError {
    let message = "The security token included in the request is expired";
    ApiError::new(Exception::ExpiredToken, message)
}

pub(super) fn mismatch() -> ApiError {
    let message = "The request signature we calculated does not match the signature you provided. \
                   Check your AWS Secret Access Key and signing method. Consult the service \
                   documentation for details.";
    ApiError::new(Exception::InvalidSignature, message)
}

pub(super) fn invalid(message: String) -> ApiError {
    ApiError::new(Exception::InvalidSignature, message)
}

pub(super) fn incomplete(message: String) -> ApiError {
    ApiError::new(Exception::IncompleteSignature, message)
}

/// The parts of an `Authorization` header that are not there.
pub(super) fn lacks(parts: &[&str]) -> ApiError {
    let sentences: Vec<String> = parts
        .iter()
        .map(|part| format!("Authorization header requires '{part}' parameter."))
        .collect();
    incomplete(sentences.join(" "))
}

/// The parts of a presigned URL that are not there.
pub(super) fn query_lacks(part: &str) -> ApiError {
    incomplete(format!(
        "AWS query-string parameters must include '{part}'. Re-examine the query-string parameters."
    ))
}

pub(super) fn body_mismatch() -> ApiError {
    let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
    ApiError::new(Exception::InvalidSignature, message)
}
