//! SQS's words for what several operations refuse.

use std::borrow::Cow;

use kiln_store::messages::{QueueError, ReceiptError, ReceiveError, Refusal, SendError};
use kiln_store::queue::Full;

use crate::error::{ApiError, Exception};

/// When a sender may come back that found no room, in seconds.
const FULL_RETRY_SECS: u64 = 1;

/// A parameter is wrong.
pub(super) fn invalid(message: impl Into<Cow<'static, str>>) -> ApiError {
    ApiError::new(Exception::InvalidParameterValue, message)
}

/// A parameter's value is wrong, for a reason.
pub(super) fn invalid_value(
    value: impl std::fmt::Display,
    parameter: &str,
    reason: &str,
) -> ApiError {
    invalid(format!(
        "Value {value} for parameter {parameter} is invalid. Reason: {reason}"
    ))
}

/// A parameter of the other kind of queue.
pub(super) fn wrong_kind(value: impl std::fmt::Display, parameter: &str) -> ApiError {
    let reason = "The request include parameter that is not valid for this queue type.";
    invalid_value(value, parameter, reason)
}

/// A parameter is missing.
pub(super) fn missing(parameter: &str) -> ApiError {
    let message = format!("The request must contain the parameter {parameter}.");
    ApiError::new(Exception::MissingRequiredParameter, message)
}

/// There is no such queue.
pub(super) fn no_queue() -> ApiError {
    let message = "The specified queue does not exist.";
    ApiError::new(Exception::QueueDoesNotExist, message)
}

/// The text is no receipt of this queue.
pub(super) fn bad_receipt(text: &str) -> ApiError {
    let message = format!("The input receipt handle \"{text}\" is not a valid receipt handle.");
    ApiError::new(Exception::ReceiptHandleIsInvalid, message)
}

fn full(full: Full) -> ApiError {
    let message = format!("Kiln has no room for the message: {full}; try again.");
    ApiError::new(Exception::ServiceUnavailable, message).with_retry_after(FULL_RETRY_SECS)
}

impl From<QueueError> for ApiError {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::NoQueue(_) => no_queue(),
            QueueError::Store(error) => error.into(),
        }
    }
}

impl From<ReceiveError> for ApiError {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::NoQueue(_) => no_queue(),
            ReceiveError::TooManyInFlight => ApiError::new(
                Exception::OverLimit,
                "Too many messages in flight: delete those that were handled, then receive more.",
            ),
            ReceiveError::Store(error) => error.into(),
        }
    }
}

impl From<ReceiptError> for ApiError {
    fn from(error: ReceiptError) -> Self {
        match error {
            ReceiptError::NoQueue(_) => no_queue(),
            ReceiptError::Store(error) => error.into(),
        }
    }
}

impl From<SendError> for ApiError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Full(error) => full(error),
            SendError::Refused(Refusal::NoQueue(_)) => no_queue(),
            SendError::Refused(Refusal::TooLarge { bytes_max }) => invalid(format!(
                "One or more parameters are invalid. Reason: Message must be shorter than {bytes_max} bytes."
            )),
            // Those are of events of functions and of objects.
            SendError::Refused(Refusal::Crowded(_) | Refusal::NoBucket(_) | Refusal::Full(_)) => {
                ApiError::internal()
            }
            SendError::Refused(Refusal::NoGroup) => missing("MessageGroupId"),
            SendError::Refused(Refusal::NoDeduplication) => invalid(
                "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
            ),
        }
    }
}
