//! Secrets Manager's words for what several operations refuse.

use std::borrow::Cow;

use kiln_store::SecretError;
use kiln_types::limits::{SECRET_LABELS_MAX, SECRET_VERSIONS_MAX};
use kiln_types::secret::VersionError;

use crate::error::{ApiError, Exception};

/// A parameter is wrong.
pub(super) fn invalid(message: impl Into<Cow<'static, str>>) -> ApiError {
    ApiError::new(Exception::InvalidParameter, message)
}

/// The state of the secret does not allow it.
pub(super) fn not_now(message: impl Into<Cow<'static, str>>) -> ApiError {
    ApiError::new(Exception::InvalidRequest, message)
}

/// There is no such secret.
pub(super) fn no_secret() -> ApiError {
    missing("Secrets Manager can't find the specified secret.")
}

/// There is no such version.
pub(super) fn no_version(id: &str) -> ApiError {
    missing(format!(
        "Secrets Manager can't find the specified secret value for VersionId: {id}"
    ))
}

/// No version has this label.
pub(super) fn no_label(label: &str) -> ApiError {
    missing(format!(
        "Secrets Manager can't find the specified secret value for staging label: {label}"
    ))
}

/// The secret is to be deleted.
pub(super) fn deleting() -> ApiError {
    not_now("You can't perform this operation on the secret because it was marked for deletion.")
}

fn missing(message: impl Into<Cow<'static, str>>) -> ApiError {
    ApiError::new(Exception::ResourceNotFound, message)
}

impl From<SecretError> for ApiError {
    fn from(error: SecretError) -> Self {
        let exists = |message: String| ApiError::new(Exception::ResourceExists, message);
        match error {
            SecretError::NoSecret(_) => no_secret(),
            SecretError::Exists(name) => exists(format!(
                "The operation failed because the secret {name} already exists."
            )),
            SecretError::Deleting(_) => deleting(),
            SecretError::VersionExists { secret, version } => exists(format!(
                "You can't use ClientRequestToken {version} because that value is already in use for a version of secret {}.",
                secret.id.name
            )),
            SecretError::Version(error) => error.into(),
            SecretError::TooMany(max) => limit(format!(
                "You have reached the maximum number of secrets, which is {max}."
            )),
            SecretError::Store(error) => error.into(),
        }
    }
}

impl From<VersionError> for ApiError {
    fn from(error: VersionError) -> Self {
        match error {
            VersionError::Missing(id) => no_version(&id),
            VersionError::Attached { label, version } => invalid(format!(
                "The parameter RemoveFromVersionId can't be empty. Staging label {label} is currently attached to \
                 version {version}, so you must explicitly reference that version in RemoveFromVersionId."
            )),
            VersionError::NotAttached { label, version } => invalid(format!(
                "Staging label {label} is not attached to version {version}: RemoveFromVersionId must be the version \
                 that has it."
            )),
            VersionError::OnlyMoved => invalid(
                "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.",
            ),
            VersionError::TooManyLabels => limit(format!(
                "A version of a secret has at most {SECRET_LABELS_MAX} staging labels."
            )),
            VersionError::TooManyVersions => limit(format!(
                "The secret has {SECRET_VERSIONS_MAX} versions, which are all it may have: those without staging labels \
                 make room a day after they were made."
            )),
        }
    }
}

fn limit(message: String) -> ApiError {
    ApiError::new(Exception::LimitExceeded, message)
}
