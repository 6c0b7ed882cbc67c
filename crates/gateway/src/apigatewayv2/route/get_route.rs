//! `GetRoute`: shows one route.

use super::{find, render};
use crate::apigatewayv2::generated::{GetRouteRequest as Input, Route as Output};
use crate::apigatewayv2::lookup;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let api = lookup::api(context, &input.api_id)?;
    find(&api, &input.route_id).map(render)
}
