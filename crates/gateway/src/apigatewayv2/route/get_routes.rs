//! `GetRoutes`: an API's routes, by id.

use super::render;
use crate::apigatewayv2::generated::{GetRoutesRequest as Input, GetRoutesResponse as Output};
use crate::apigatewayv2::lookup;
use crate::apigatewayv2::page::page;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let api = lookup::api(context, &input.api_id)?;
    let routes = api.draft.routes.values();
    let routes = routes.map(|route| (route.id.to_string(), render(route)));
    let (token, max) = (input.next_token.as_deref(), input.max_results.as_deref());
    let (items, next_token) = page(routes, token, max)?;
    Ok(Output { items, next_token })
}
