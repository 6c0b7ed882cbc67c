//! AWS's words for what several operations refuse.

use std::borrow::Cow;

use crate::apigatewayv2;
use crate::error::{ApiError, Exception};

/// A parameter is wrong.
pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> ApiError {
    ApiError::new(Exception::InvalidParameterValue, message)
}

/// A member breaks a constraint that is narrower here than in the service model.
pub(crate) fn constraint(value: impl std::fmt::Display, member: &str, rule: &str) -> ApiError {
    let message = format!(
        "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {rule}"
    );
    ApiError::new(Exception::Validation, message)
}

/// There is no such function, version or alias.
pub(crate) fn function_not_found(arn: impl std::fmt::Display) -> ApiError {
    not_found(format!("Function not found: {arn}"))
}

/// There is no such thing.
pub(crate) fn not_found(message: impl Into<Cow<'static, str>>) -> ApiError {
    ApiError::new(Exception::ResourceNotFound, message)
}

/// There is no such thing, in the words of operations on parts of a function.
pub(crate) fn resource_not_found() -> ApiError {
    not_found("The resource you requested does not exist.")
}

/// It exists already or is being changed.
pub(crate) fn conflict(message: impl Into<Cow<'static, str>>) -> ApiError {
    ApiError::new(Exception::ResourceConflict, message)
}

/// The function is being created or updated.
pub(crate) fn update_in_progress(arn: impl std::fmt::Display) -> ApiError {
    conflict(format!(
        "The operation cannot be performed at this time. An update is in progress for resource: {arn}"
    ))
}

/// The caller has seen an older revision; `operation` returns the latest.
pub(crate) fn stale_revision(operation: &str) -> ApiError {
    let message = format!(
        "The Revision Id provided does not match the latest Revision Id. Call the {operation} API to retrieve the latest Revision Id"
    );
    ApiError::new(Exception::PreconditionFailed, message)
}

/// The account's code may not take more. In AWS's words.
pub(crate) fn code_storage_full() -> ApiError {
    let message = "Code storage limit exceeded.";
    ApiError::new(Exception::CodeStorageExceeded, message)
}

/// AWS differs: it has no limit of functions, and this exception is the one that creating one has for what is full.
fn too_many_functions(max: u32) -> ApiError {
    let message = format!(
        "The account may have {max} functions and has them. Delete one, or ask who looks after the server for more."
    );
    ApiError::new(Exception::CodeStorageExceeded, message)
}

/// AWS differs: it has no limit of queues.
fn too_many_queues(max: u32) -> ApiError {
    let message = format!(
        "The account may have {max} queues and has them. Delete one, or ask who looks after the server for more."
    );
    ApiError::new(Exception::OverLimit, message)
}

/// AWS differs: it has no limit of mappings.
fn too_many_event_sources(max: u32) -> ApiError {
    let message = format!(
        "The account may have {max} event source mappings and has them. Delete one, or ask who looks after the server for more."
    );
    invalid(message)
}

/// Nothing a caller can do about: the whole story goes to the server's log, once.
impl From<kiln_store::Error> for ApiError {
    fn from(error: kiln_store::Error) -> Self {
        // Handlers look first, so this one was deleted in between.
        use kiln_store::Error::{
            CodeStorageFull, NoApi, NoLayer, NoMapping, NotFound, TooManyApis, TooManyEventSources,
            TooManyFunctions, TooManyQueues,
        };
        match error {
            NotFound(_) | NoLayer { .. } | NoMapping(_) => return resource_not_found(),
            NoApi { account, id } => return apigatewayv2::refusal::no_api(&account, id),
            TooManyFunctions(max) => return too_many_functions(max),
            CodeStorageFull(_) => return code_storage_full(),
            TooManyQueues(max) => return too_many_queues(max),
            TooManyEventSources(max) => return too_many_event_sources(max),
            TooManyApis(max) => return apigatewayv2::refusal::too_many_apis(max),
            _ => {}
        }
        tracing::error!(error = &error as &dyn std::error::Error, "the store failed");
        Self::internal()
    }
}
