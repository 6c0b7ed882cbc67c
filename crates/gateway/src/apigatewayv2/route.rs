//! Operations on routes, and how they are read and shown.

use kiln_types::api::{Authorization, Route};
use kiln_types::{Api, PartId, limits};

use super::generated as wire;
use super::lookup::{missing, part};
use super::refusal::{bad, of_websockets};
use crate::error::Result;

pub(crate) mod create_route;
pub(crate) mod delete_route;
pub(crate) mod get_route;
pub(crate) mod get_routes;
pub(crate) mod update_route;

/// What these operations call what they are about.
const KIND: &str = "Route";
/// What a route's target begins with.
const TARGET: &str = "integrations/";

/// A route of an API.
fn find<'a>(api: &'a Api, id: &str) -> Result<&'a Route> {
    let route = api.draft.routes.get(&part(KIND, id)?);
    route.ok_or_else(|| missing(KIND, id))
}

/// Shows a route.
fn render(route: &Route) -> wire::Route {
    let (kind, scopes) = match &route.authorization {
        Authorization::None => ("NONE", None),
        Authorization::Iam => ("AWS_IAM", None),
        Authorization::Jwt { scopes, .. } => ("JWT", Some(scopes.clone())),
        Authorization::Function { .. } => ("CUSTOM", None),
    };
    wire::Route {
        api_gateway_managed: route.is_managed.then_some(true),
        api_key_required: Some(false),
        authorization_scopes: scopes.filter(|scopes| !scopes.is_empty()),
        authorization_type: Some(kind.to_owned()),
        authorizer_id: route.authorization.authorizer().map(PartId::to_string),
        operation_name: route.operation.clone(),
        route_id: Some(route.id.to_string()),
        route_key: route.key.to_string(),
        target: route.target.as_ref().map(|id| format!("{TARGET}{id}")),
        ..Default::default()
    }
}

fn read_target(target: &str) -> Result<PartId> {
    let id = target.strip_prefix(TARGET).and_then(|id| id.parse().ok());
    id.ok_or_else(|| {
        bad(format!(
            "Invalid target {target}: it must be {TARGET} and the identifier of an integration"
        ))
    })
}

/// Who may use the route, once what is sent is put over what there was.
fn authorization(
    kind: Option<&str>,
    authorizer: Option<&str>,
    scopes: Option<Vec<String>>,
    before: &Authorization,
) -> Result<Authorization> {
    let before_kind = match before {
        Authorization::None => "NONE",
        Authorization::Iam => "AWS_IAM",
        Authorization::Jwt { .. } => "JWT",
        Authorization::Function { .. } => "CUSTOM",
    };
    let kind = kind.unwrap_or(before_kind);
    let before_scopes = match before {
        Authorization::Jwt { scopes, .. } if kind == "JWT" => scopes.clone(),
        _ => Vec::new(),
    };
    let scopes = scopes.unwrap_or(before_scopes);
    if scopes.len() > limits::API_SCOPES_MAX {
        return Err(bad(format!(
            "A route can have at most {} authorization scopes",
            limits::API_SCOPES_MAX
        )));
    }
    if kind != "JWT" && !scopes.is_empty() {
        return Err(bad(
            "Authorization scopes are supported only with the authorization type JWT",
        ));
    }
    let before_authorizer = before.authorizer().filter(|_| kind == before_kind);
    let authorizer = match authorizer.filter(|id| !id.is_empty()) {
        Some(id) => id.parse::<PartId>().ok(),
        None => before_authorizer.cloned(),
    };
    Ok(match kind {
        "JWT" => Authorization::Jwt {
            authorizer: authorizer.ok_or_else(no_jwt_authorizer)?,
            scopes,
        },
        "CUSTOM" => Authorization::Function {
            authorizer: authorizer.ok_or_else(no_function_authorizer)?,
        },
        "AWS_IAM" => Authorization::Iam,
        _ => Authorization::None,
    })
}

fn no_jwt_authorizer() -> crate::error::ApiError {
    bad(
        "Invalid authorizer ID specified. Setting the authorization type to JWT requires a valid JWT authorizer.",
    )
}

fn no_function_authorizer() -> crate::error::ApiError {
    bad(
        "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid authorizer.",
    )
}

/// Puts a route into its API, in the words of its authorization when that is what is wrong.
fn put(api: &mut Api, route: Route, now: kiln_types::Timestamp) -> Result<PartId> {
    use kiln_types::api::Refusal;
    let (id, is_jwt) = (
        route.id.clone(),
        matches!(route.authorization, Authorization::Jwt { .. }),
    );
    match api.put_route(route, now) {
        Ok(()) => Ok(id),
        Err(Refusal::NoAuthorizer) if is_jwt => Err(no_jwt_authorizer()),
        Err(Refusal::NoAuthorizer) => Err(no_function_authorizer()),
        Err(other) => Err(other.into()),
    }
}

/// What HTTP APIs do not have.
struct Foreign {
    needs_key: bool,
    has_models: bool,
    has_parameters: bool,
    selects_model: bool,
    selects_response: bool,
}

impl Foreign {
    fn check(&self) -> Result<()> {
        of_websockets(&[
            ("apiKeyRequired", self.needs_key),
            ("requestModels", self.has_models),
            ("requestParameters", self.has_parameters),
            ("modelSelectionExpression", self.selects_model),
            ("routeResponseSelectionExpression", self.selects_response),
        ])
    }
}

#[cfg(test)]
mod tests;
