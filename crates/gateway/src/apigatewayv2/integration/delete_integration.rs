//! `DeleteIntegration`: of one that no route leads to.

use super::find;
use crate::apigatewayv2::generated::DeleteIntegrationRequest as Input;
use crate::apigatewayv2::lookup;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let now = context.now;
    let edited = lookup::edit(context, &input.api_id, move |api| {
        let id = find(api, &input.integration_id)?.id.clone();
        Ok(api.remove_integration(&id, now)?)
    });
    edited.await.map(|_| ())
}
