//! `DeleteAuthorizer`: of one that no route relies on.

use super::find;
use crate::apigatewayv2::generated::DeleteAuthorizerRequest as Input;
use crate::apigatewayv2::lookup;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let now = context.now;
    let edited = lookup::edit(context, &input.api_id, move |api| {
        let id = find(api, &input.authorizer_id)?.id.clone();
        Ok(api.remove_authorizer(&id, now)?)
    });
    edited.await.map(|_| ())
}
