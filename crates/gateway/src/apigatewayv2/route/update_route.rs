//! `UpdateRoute`: changes what is named and leaves the rest.

use super::{Foreign, authorization, find, put, read_target, render};
use crate::apigatewayv2::generated::{Route as Output, UpdateRouteRequest as Input};
use crate::apigatewayv2::lookup;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let foreign = Foreign {
        needs_key: input.api_key_required == Some(true),
        has_models: input
            .request_models
            .is_some_and(|models| !models.is_empty()),
        has_parameters: input.request_parameters.is_some_and(|all| !all.is_empty()),
        selects_model: input.model_selection_expression.is_some(),
        selects_response: input.route_response_selection_expression.is_some(),
    };
    foreign.check()?;
    let key = input.route_key.as_deref().map(str::parse).transpose()?;
    let target = input.target.as_deref().map(read_target).transpose()?;
    let now = context.now;
    let edited = lookup::edit(context, &input.api_id, move |api| {
        let mut route = find(api, &input.route_id)?.clone();
        route.key = key.unwrap_or(route.key);
        route.target = target.or(route.target);
        route.operation = input.operation_name.or(route.operation);
        route.authorization = authorization(
            input.authorization_type.as_deref(),
            input.authorizer_id.as_deref(),
            input.authorization_scopes,
            &route.authorization,
        )?;
        put(api, route, now)
    });
    let (api, id) = edited.await?;
    find(&api, id.as_str()).map(render)
}
