//! `DeleteDeployment`: of one that no stage serves.

use super::find;
use crate::apigatewayv2::generated::DeleteDeploymentRequest as Input;
use crate::apigatewayv2::lookup;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let edited = lookup::edit(context, &input.api_id, move |api| {
        let id = find(api, &input.deployment_id)?.id.clone();
        Ok(api.remove_deployment(&id)?)
    });
    edited.await.map(|_| ())
}
