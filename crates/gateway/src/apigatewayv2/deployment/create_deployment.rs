//! `CreateDeployment`: keeps an API as it is now, and has a stage serve it if one is named.
//!
//! AWS differs: it is served at once, so that it never is `PENDING`; an API has at most a hundred of them.

use super::{find, render};
use crate::apigatewayv2::generated::{CreateDeploymentRequest as Input, Deployment as Output};
use crate::apigatewayv2::lookup;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let stage = input.stage_name.as_deref().map(lookup::stage).transpose()?;
    let now = context.now;
    let edited = lookup::edit(context, &input.api_id, move |api| {
        Ok(api.deploy(input.description, stage.as_ref(), now)?)
    });
    let (api, id) = edited.await?;
    find(&api, id.as_str()).map(render)
}
