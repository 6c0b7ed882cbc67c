//! `DeleteCorsConfiguration`: leaves cross-origin headers to the functions.

use crate::apigatewayv2::generated::DeleteCorsConfigurationRequest as Input;
use crate::apigatewayv2::lookup;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let now = context.now;
    let edited = lookup::edit(context, &input.api_id, move |api| {
        api.set_cors(None, now);
        Ok(())
    });
    edited.await.map(|_| ())
}
