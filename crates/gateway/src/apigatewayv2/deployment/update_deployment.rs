//! `UpdateDeployment`: changes what a deployment says of itself.

use super::{find, render};
use crate::apigatewayv2::generated::{Deployment as Output, UpdateDeploymentRequest as Input};
use crate::apigatewayv2::lookup;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let edited = lookup::edit(context, &input.api_id, move |api| {
        let id = find(api, &input.deployment_id)?.id.clone();
        if let Some(deployment) = api.deployments.get_mut(&id) {
            deployment.description = input.description.or(deployment.description.take());
        }
        Ok(id)
    });
    let (api, id) = edited.await?;
    find(&api, id.as_str()).map(render)
}
