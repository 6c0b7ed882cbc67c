//! Parameter Store's words for what several operations refuse.

use std::borrow::Cow;

use kiln_store::ParameterError;
use kiln_types::limits::PARAMETER_LABELS_MAX;
use kiln_types::parameter::TooManyLabels;

use crate::error::{ApiError, Exception};
use crate::page::BadMarker;

/// A parameter of the request is wrong.
pub(super) fn invalid(message: impl Into<Cow<'static, str>>) -> ApiError {
    ApiError::new(Exception::Validation, message)
}

/// There is no such parameter.
pub(super) fn no_parameter(name: &str) -> ApiError {
    ApiError::new(
        Exception::ParameterNotFound,
        format!("Parameter {name} not found."),
    )
}

/// There is no such version of it.
pub(super) fn no_version(name: &str, version: impl std::fmt::Display) -> ApiError {
    let message = format!(
        "Systems Manager could not find version {version} of {name}. Verify the version and try again."
    );
    ApiError::new(Exception::ParameterVersionNotFound, message)
}

/// What a page should go on from is no page's end.
pub(super) fn bad_token(_: BadMarker) -> ApiError {
    let message = "The specified token isn't valid: give the one that the last page ended with.";
    ApiError::new(Exception::InvalidNextToken, message)
}

impl From<ParameterError> for ApiError {
    fn from(error: ParameterError) -> Self {
        match error {
            ParameterError::NoParameter(name) => no_parameter(name.as_str()),
            ParameterError::TooManyVersions { name, oldest } => {
                let message = format!(
                    "You attempted to create a new version of {name} by calling the PutParameter API with the overwrite \
                     flag. Version {oldest}, the oldest version, can't be deleted because it has a label associated with \
                     it. Move the label to another version of the parameter, and try again."
                );
                ApiError::new(Exception::ParameterMaxVersionLimitExceeded, message)
            }
            ParameterError::TooMany(max) => {
                let message =
                    format!("You have exceeded the number of parameters, which is {max}.");
                ApiError::new(Exception::ParameterLimitExceeded, message)
            }
            ParameterError::Store(error) => error.into(),
        }
    }
}

impl From<TooManyLabels> for ApiError {
    fn from(_: TooManyLabels) -> Self {
        let message = format!(
            "A parameter version can have maximum {PARAMETER_LABELS_MAX} labels. Move one or more labels to another version and try again."
        );
        ApiError::new(Exception::ParameterVersionLabelLimitExceeded, message)
    }
}
