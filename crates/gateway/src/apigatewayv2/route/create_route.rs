//! `CreateRoute`: says where requests of a method to a path go, and who may send them.

use kiln_types::PartId;
use kiln_types::api::{Authorization, Route};

use super::{Foreign, authorization, put, read_target, render};
use crate::apigatewayv2::generated::{CreateRouteRequest as Input, Route as Output};
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
    let route = Route {
        id: PartId::random(),
        key: input.route_key.parse()?,
        is_managed: false,
        operation: input.operation_name,
        target: input.target.as_deref().map(read_target).transpose()?,
        authorization: authorization(
            input.authorization_type.as_deref(),
            input.authorizer_id.as_deref(),
            input.authorization_scopes,
            &Authorization::None,
        )?,
    };
    let now = context.now;
    let edited = lookup::edit(context, &input.api_id, move |api| put(api, route, now));
    let (api, id) = edited.await?;
    super::find(&api, id.as_str()).map(render)
}
