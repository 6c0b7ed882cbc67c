//! SNS's words for what several operations refuse.

use std::fmt::Display;

use kiln_invoke::fan_out::Refusal;
use kiln_store::TopicError;

use crate::error::{ApiError, Exception};

/// A parameter is wrong.
pub(super) fn invalid(what: impl Display) -> ApiError {
    let message = format!("Invalid parameter: {what}");
    ApiError::new(Exception::InvalidParameter, message)
}

/// A parameter is wrong, for a reason.
pub(super) fn invalid_for(parameter: &str, reason: impl Display) -> ApiError {
    invalid(format_args!("{parameter} Reason: {reason}"))
}

/// An attribute of a message is wrong.
pub(super) fn invalid_value(message: String) -> ApiError {
    ApiError::new(Exception::ParameterValueInvalid, message)
}

/// What is given is no ARN of the kind.
pub(super) fn bad_arn(parameter: &str, text: &str) -> ApiError {
    let elements = text.split(':').count();
    match elements < 6 {
        true => {
            let reason = format!("An ARN must have at least 6 elements, not {elements}");
            invalid_for(parameter, reason)
        }
        false => invalid(parameter),
    }
}

/// There is no such topic.
pub(super) fn no_topic() -> ApiError {
    ApiError::new(Exception::NotFound, "Topic does not exist")
}

/// There is no such subscription.
pub(super) fn no_subscription() -> ApiError {
    ApiError::new(Exception::NotFound, "Subscription does not exist")
}

impl From<TopicError> for ApiError {
    fn from(error: TopicError) -> Self {
        match error {
            TopicError::NoTopic(_) => no_topic(),
            TopicError::Store(error) => error.into(),
        }
    }
}

/// What was published could not be accepted.
pub(super) fn not_published(refusal: &Refusal) -> ApiError {
    match refusal {
        Refusal::NoTopic(_) | Refusal::NoBus(_) => no_topic(),
        Refusal::TooMuch => invalid_for("Message", refusal),
        Refusal::Full { .. } => ApiError::new(Exception::Throttled, refusal.to_string()),
        Refusal::ArchivesFull { .. } => invalid_for("Message", refusal),
        Refusal::NotKept(why) => {
            tracing::error!(%why, "a message could not be kept");
            ApiError::internal()
        }
    }
}
