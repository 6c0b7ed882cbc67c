//! `GetDeployment`: shows one deployment.

use super::{find, render};
use crate::apigatewayv2::generated::{Deployment as Output, GetDeploymentRequest as Input};
use crate::apigatewayv2::lookup;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let api = lookup::api(context, &input.api_id)?;
    find(&api, &input.deployment_id).map(render)
}
