//! `GetAuthorizer`: shows one authorizer.

use super::{find, render};
use crate::apigatewayv2::generated::{Authorizer as Output, GetAuthorizerRequest as Input};
use crate::apigatewayv2::lookup;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let api = lookup::api(context, &input.api_id)?;
    find(&api, &input.authorizer_id).map(render)
}
