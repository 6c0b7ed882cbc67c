//! `ResetAuthorizersCache`: has a stage's authorizers be asked anew.

use super::find;
use crate::apigatewayv2::generated::ResetAuthorizersCacheRequest as Input;
use crate::apigatewayv2::lookup;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let edited = lookup::edit(context, &input.api_id, move |api| {
        let name = find(api, &input.stage_name)?.name.clone();
        // What they said is kept under this number; the rest grows old where it is.
        if let Some(stage) = api.stages.get_mut(&name) {
            stage.forgotten = stage.forgotten.wrapping_add(1);
        }
        Ok(())
    });
    edited.await.map(|_| ())
}
