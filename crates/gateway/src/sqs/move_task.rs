//! Tasks that move dead letters on.

pub(super) mod cancel_message_move_task;
mod handle;
pub(super) mod list_message_move_tasks;
pub(super) mod start_message_move_task;

use crate::error::{ApiError, Exception};

/// The ARN of the queue whose task a handle names.
pub(super) fn source(handle: &str) -> Option<String> {
    let handle = handle::Handle::read(handle).ok()?;
    Some(handle.source_arn)
}

/// What an ARN names is not there.
fn no_resource(parameter: &str) -> ApiError {
    let message =
        format!("The resource that you specified for the {parameter} parameter doesn't exist.");
    ApiError::new(Exception::ResourceNotFound, message)
}
