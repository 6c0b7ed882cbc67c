//! `GetAuthorizers`: an API's authorizers, by id.

use super::render;
use crate::apigatewayv2::generated::{
    GetAuthorizersRequest as Input, GetAuthorizersResponse as Output,
};
use crate::apigatewayv2::lookup;
use crate::apigatewayv2::page::page;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let api = lookup::api(context, &input.api_id)?;
    let authorizers = api.draft.authorizers.values();
    let authorizers = authorizers.map(|found| (found.id.to_string(), render(found)));
    let (token, max) = (input.next_token.as_deref(), input.max_results.as_deref());
    let (items, next_token) = page(authorizers, token, max)?;
    Ok(Output { items, next_token })
}
