//! AWS's words for what several operations refuse.

use std::borrow::Cow;

use kiln_store::schedules::ScheduleError;

use crate::error::{ApiError, Exception};

/// A parameter is wrong.
pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> ApiError {
    ApiError::new(Exception::Validation, message)
}

/// There is no such group.
pub(crate) fn no_group(name: &str) -> ApiError {
    let message = format!("Schedule group {name} does not exist.");
    ApiError::new(Exception::ResourceNotFound, message)
}

impl From<ScheduleError> for ApiError {
    fn from(error: ScheduleError) -> Self {
        let conflict = |message: String| ApiError::new(Exception::Conflict, message);
        let quota = |message| ApiError::new(Exception::ServiceQuotaExceeded, message);
        match error {
            ScheduleError::Exists(id) => conflict(format!("Schedule {} already exists.", id.name)),
            ScheduleError::NotFound(id) => {
                let message = format!("Schedule {} does not exist.", id.name);
                ApiError::new(Exception::ResourceNotFound, message)
            }
            ScheduleError::GroupExists(name) => {
                conflict(format!("Schedule group {name} already exists."))
            }
            ScheduleError::NoGroup(name) => no_group(&name),
            ScheduleError::GroupDeleting(name) => {
                conflict(format!("Schedule group {name} is being deleted."))
            }
            ScheduleError::TooMany => {
                quota("The maximum number of schedules for your account has been reached.")
            }
            ScheduleError::TooManyGroups => {
                quota("The maximum number of schedule groups for your account has been reached.")
            }
            ScheduleError::Store(error) => error.into(),
        }
    }
}

impl From<kiln_events::schedule::Error> for ApiError {
    fn from(error: kiln_events::schedule::Error) -> Self {
        invalid(error.to_string())
    }
}
