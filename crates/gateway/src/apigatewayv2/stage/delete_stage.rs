//! `DeleteStage`: the API is no longer served under it. Its deployment stays if it was made by hand.

use super::find;
use crate::apigatewayv2::generated::DeleteStageRequest as Input;
use crate::apigatewayv2::lookup;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let edited = lookup::edit(context, &input.api_id, move |api| {
        let name = find(api, &input.stage_name)?.name.clone();
        Ok(api.remove_stage(&name)?)
    });
    edited.await.map(|_| ())
}
