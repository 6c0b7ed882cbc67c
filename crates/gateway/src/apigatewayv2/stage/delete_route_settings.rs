//! `DeleteRouteSettings`: has a route of a stage go by the stage's settings.

use super::find;
use crate::apigatewayv2::generated::DeleteRouteSettingsRequest as Input;
use crate::apigatewayv2::lookup;
use crate::apigatewayv2::refusal::not_found;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let now = context.now;
    let edited = lookup::edit(context, &input.api_id, move |api| {
        let mut stage = find(api, &input.stage_name)?.clone();
        if stage.settings.remove(&input.route_key).is_none() {
            let key = input.route_key;
            let message =
                format!("Unable to find Route by key {key} within the provided RouteSettings");
            return Err(not_found(message));
        }
        Ok(api.change_stage(stage, now)?)
    });
    edited.await.map(|_| ())
}
