//! `GetIntegration`: shows one integration.

use super::{find, render};
use crate::apigatewayv2::generated::{GetIntegrationRequest as Input, Integration as Output};
use crate::apigatewayv2::lookup;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let api = lookup::api(context, &input.api_id)?;
    find(&api, &input.integration_id).map(render)
}
