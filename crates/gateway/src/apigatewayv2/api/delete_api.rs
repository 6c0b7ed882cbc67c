//! `DeleteApi`: an API with all that belongs to it, at once.

use crate::apigatewayv2::generated::DeleteApiRequest as Input;
use crate::apigatewayv2::lookup;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let api = lookup::api(context, &input.api_id)?;
    let apis = context.deps.store.apis();
    Ok(apis.delete(&context.caller.account, &api.id).await?)
}
