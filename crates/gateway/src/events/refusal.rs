//! AWS's words for what several operations refuse.

use std::borrow::Cow;

use kiln_store::BusError;
use kiln_types::{BusName, RuleId};

use crate::error::{ApiError, Exception};

/// A parameter is wrong.
pub(super) fn invalid(message: impl Into<Cow<'static, str>>) -> ApiError {
    ApiError::new(Exception::Validation, message)
}

/// There is no such bus.
pub(super) fn no_bus(name: &BusName) -> ApiError {
    let message = format!("Event bus {name} does not exist.");
    ApiError::new(Exception::ResourceNotFound, message)
}

/// There is no such rule.
pub(super) fn no_rule(id: &RuleId) -> ApiError {
    let (name, bus) = (&id.name, &id.bus.name);
    let message = format!("Rule {name} does not exist on EventBus {bus}.");
    ApiError::new(Exception::ResourceNotFound, message)
}

/// There are as many as there may be.
pub(super) fn too_many() -> ApiError {
    let message = "The requested resource exceeds the maximum number allowed.";
    ApiError::new(Exception::LimitExceeded, message)
}

impl From<BusError> for ApiError {
    fn from(error: BusError) -> Self {
        match error {
            BusError::NoBus(id) => no_bus(&id.name),
            BusError::Exists(id) => {
                let message = format!("Event bus {} already exists.", id.name);
                ApiError::new(Exception::ResourceAlreadyExists, message)
            }
            BusError::HasRules(id) => invalid(format!(
                "Cannot delete event bus {}, as it has rules: delete them first.",
                id.name
            )),
            BusError::TooMany(_) => too_many(),
            BusError::Store(error) => error.into(),
        }
    }
}
