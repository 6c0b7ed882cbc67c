//! `CreateApi`: makes an HTTP API, with a route to a function that is served at once if a target is named.
//!
//! AWS differs: WebSocket APIs and targets over HTTP are refused until Kiln has them; the role of
//! `CredentialsArn` is taken for the permission itself, as Kiln evaluates no roles.

use kiln_types::{Api, limits};

use super::{Quick, check_api_key_selection, check_route_selection, read_cors, render};
use crate::apigatewayv2::generated::{Api as Output, CreateApiRequest as Input};
use crate::apigatewayv2::refusal::of_websockets;
use crate::apigatewayv2::tag;
use crate::context::Context;
use crate::error::{ApiError, Result};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    if input.protocol_type == "WEBSOCKET" {
        return Err(ApiError::not_implemented("WebSocket APIs"));
    }
    check_route_selection(input.route_selection_expression.as_deref())?;
    check_api_key_selection(input.api_key_selection_expression.as_deref())?;
    let skips_schemas = input.disable_schema_validation == Some(true);
    of_websockets(&[("disableSchemaValidation", skips_schemas)])?;
    let tags = input.tags.unwrap_or_default();
    tag::check(&tags)?;
    let (target, key, role) = (input.target, input.route_key, input.credentials_arn);
    let quick = Quick::read(context, target, key, role)?;
    let mut api = Api::new(context.caller.account.clone(), input.name, context.now);
    api.description = input.description;
    api.version = input.version;
    api.is_endpoint_disabled = input.disable_execute_api_endpoint.unwrap_or(false);
    api.is_dual_stack = input.ip_address_type.as_deref() == Some("dualstack");
    api.tags = tags;
    api.draft.cors = input.cors_configuration.map(read_cors).transpose()?;
    quick.make(&mut api, context.now)?;
    let apis = context.deps.store.apis();
    let api = apis.create(api, limits::APIS_MAX).await?;
    Ok(render(context, &api))
}
