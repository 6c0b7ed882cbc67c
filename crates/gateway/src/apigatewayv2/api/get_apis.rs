//! `GetApis`: the account's APIs, by id.

use super::render;
use crate::apigatewayv2::generated::{GetApisRequest as Input, GetApisResponse as Output};
use crate::apigatewayv2::page::page;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let apis = context.deps.store.apis().list(&context.caller.account);
    let apis = apis
        .iter()
        .map(|api| (api.id.to_string(), render(context, api)));
    let (token, max) = (input.next_token.as_deref(), input.max_results.as_deref());
    let (items, next_token) = page(apis, token, max)?;
    Ok(Output { items, next_token })
}
