//! AWS's words for what is refused.
//!
//! Sources: answers as users report them. Where none is known the words are Kiln's.

use std::borrow::Cow;

use kiln_types::AccountId;
use kiln_types::api::Refusal;
use kiln_types::api::change::Part;
use kiln_types::api::route_key::InvalidRouteKey;

use super::lookup::no_stage;
use crate::error::{ApiError, Exception};

/// The request cannot be.
pub(crate) fn bad(message: impl Into<Cow<'static, str>>) -> ApiError {
    ApiError::new(Exception::BadRequest, message)
}

/// There is no such thing.
pub(crate) fn not_found(message: impl Into<Cow<'static, str>>) -> ApiError {
    ApiError::new(Exception::NotFound, message)
}

/// Something else stands in the way.
pub(crate) fn conflict(message: impl Into<Cow<'static, str>>) -> ApiError {
    ApiError::new(Exception::Conflict, message)
}

/// The account has no such API.
pub(crate) fn no_api(account: &AccountId, id: impl std::fmt::Display) -> ApiError {
    not_found(format!("Invalid API identifier specified {account}:{id}"))
}

/// The account has as many APIs as it may have.
pub(crate) fn too_many_apis(max: usize) -> ApiError {
    bad(format!(
        "Maximum number of APIs for this account has been reached ({max})"
    ))
}

/// Members that mean something for WebSocket APIs alone must not be sent.
pub(crate) fn of_websockets(members: &[(&str, bool)]) -> Result<(), ApiError> {
    match members.iter().find(|(_, is_sent)| *is_sent) {
        None => Ok(()),
        Some((member, _)) => Err(bad(format!(
            "{member} is supported only for WebSocket APIs"
        ))),
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Missing(Part::Stage) => no_stage(),
            Refusal::Missing(part) => not_found(format!("Invalid {part:?} identifier specified")),
            Refusal::TooMany(part, max) => bad(format!(
                "Maximum number of {part:?}s for this API has been reached ({max})"
            )),
            Refusal::Managed(Part::Route) => bad(
                "The route was made with its API: its route key stays, and it is deleted with the API",
            ),
            Refusal::Managed(part) => bad(format!(
                "The {part:?} was made with its API and is deleted with the API"
            )),
            Refusal::RouteExists(key) => {
                conflict(format!("Route with key {key} already exists for this API"))
            }
            Refusal::VariableClash { new, old } => conflict(format!(
                "The provided route key \"{new}\" has a conflicting variable on the same hierarchical level as \"{old}\""
            )),
            Refusal::NoTarget(id) => {
                not_found(format!("Invalid Integration identifier specified {id}"))
            }
            Refusal::NoAuthorizer => bad("Invalid authorizer ID specified."),
            Refusal::AuthorizerExists(name) => conflict(format!(
                "Authorizer with name {name} already exists for this API"
            )),
            Refusal::InUse(part, routes) => {
                let ids: Vec<&str> = routes.iter().map(|id| id.as_str()).collect();
                conflict(format!(
                    "Cannot delete {part:?} because it is referenced by the following Routes with Ids: [{}]",
                    ids.join(", ")
                ))
            }
            Refusal::StageExists(_) => conflict("Stage already exists"),
            Refusal::NoRouteForSettings(key) => not_found(format!(
                "Unable to find Route by key {key} within the provided RouteSettings"
            )),
            Refusal::DeploysByItself => bad(
                "Deployment ID cannot be set on a stage with auto deploy enabled: the stage deploys every change by itself",
            ),
            Refusal::NoDeployment(id) => {
                bad(format!("Invalid Deployment identifier specified {id}"))
            }
            Refusal::NoRoutes => bad("Unable to deploy API because no routes exist in this API"),
            Refusal::Served => {
                bad("Active stages pointing to this deployment must be moved or deleted")
            }
        }
    }
}

impl From<InvalidRouteKey> for ApiError {
    fn from(invalid: InvalidRouteKey) -> Self {
        match invalid {
            InvalidRouteKey::Path(_) => bad("One or more path parts appear to be invalid"),
            InvalidRouteKey::Form(key) => bad(format!(
                "The provided route key is not formatted properly for HTTP protocol. Format should be \"<HTTP METHOD> /<RESOURCE PATH>\" or \"$default\", not \"{key}\""
            )),
        }
    }
}
