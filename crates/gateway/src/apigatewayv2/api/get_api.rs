//! `GetApi`: shows one API.

use super::render;
use crate::apigatewayv2::generated::{Api as Output, GetApiRequest as Input};
use crate::apigatewayv2::lookup;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let api = lookup::api(context, &input.api_id)?;
    Ok(render(context, &api))
}
