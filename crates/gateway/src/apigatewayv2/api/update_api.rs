//! `UpdateApi`: changes what is named and leaves the rest.

use super::{Quick, check_api_key_selection, check_route_selection, read_cors, render};
use crate::apigatewayv2::generated::{Api as Output, UpdateApiRequest as Input};
use crate::apigatewayv2::lookup;
use crate::apigatewayv2::refusal::of_websockets;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    check_route_selection(input.route_selection_expression.as_deref())?;
    check_api_key_selection(input.api_key_selection_expression.as_deref())?;
    let skips_schemas = input.disable_schema_validation == Some(true);
    of_websockets(&[("disableSchemaValidation", skips_schemas)])?;
    let cors = input.cors_configuration.map(read_cors).transpose()?;
    let (target, key, role) = (input.target, input.route_key, input.credentials_arn);
    let quick = Quick::read(context, target, key, role)?;
    let now = context.now;
    let edited = lookup::edit(context, &input.api_id, move |api| {
        if let Some(name) = input.name {
            api.name = name;
        }
        api.description = input.description.or(api.description.take());
        api.version = input.version.or(api.version.take());
        if let Some(is_disabled) = input.disable_execute_api_endpoint {
            api.is_endpoint_disabled = is_disabled;
        }
        if let Some(network) = input.ip_address_type {
            api.is_dual_stack = network == "dualstack";
        }
        if cors.is_some() {
            api.set_cors(cors, now);
        }
        quick.change(api, now)
    });
    let (api, ()) = edited.await?;
    Ok(render(context, &api))
}
