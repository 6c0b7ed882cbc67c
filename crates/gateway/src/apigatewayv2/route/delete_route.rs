//! `DeleteRoute`: also of what stages say of it.

use super::find;
use crate::apigatewayv2::generated::DeleteRouteRequest as Input;
use crate::apigatewayv2::lookup;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let now = context.now;
    let edited = lookup::edit(context, &input.api_id, move |api| {
        let id = find(api, &input.route_id)?.id.clone();
        Ok(api.remove_route(&id, now)?)
    });
    edited.await.map(|_| ())
}
