//! `GetStages`: an API's stages, by name.

use super::render;
use crate::apigatewayv2::generated::{GetStagesRequest as Input, GetStagesResponse as Output};
use crate::apigatewayv2::lookup;
use crate::apigatewayv2::page::page;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let api = lookup::api(context, &input.api_id)?;
    let stages = api.stages.values();
    let stages = stages.map(|stage| (stage.name.to_string(), render(stage)));
    let (token, max) = (input.next_token.as_deref(), input.max_results.as_deref());
    let (items, next_token) = page(stages, token, max)?;
    Ok(Output { items, next_token })
}
