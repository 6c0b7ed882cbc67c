//! `GetIntegrations`: an API's integrations, by id.

use super::render;
use crate::apigatewayv2::generated::{
    GetIntegrationsRequest as Input, GetIntegrationsResponse as Output,
};
use crate::apigatewayv2::lookup;
use crate::apigatewayv2::page::page;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let api = lookup::api(context, &input.api_id)?;
    let integrations = api.draft.integrations.values();
    let integrations = integrations.map(|found| (found.id.to_string(), render(found)));
    let (token, max) = (input.next_token.as_deref(), input.max_results.as_deref());
    let (items, next_token) = page(integrations, token, max)?;
    Ok(Output { items, next_token })
}
