//! `GetTags`: an API's or a stage's.

use super::Tagged;
use crate::apigatewayv2::generated::{GetTagsRequest as Input, GetTagsResponse as Output};
use crate::apigatewayv2::lookup;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let tagged = Tagged::read(&input.resource_arn, &context.config.region)?;
    let api = lookup::api(context, &tagged.api)?;
    Ok(Output {
        tags: Some(tagged.tags(&api)?.clone()),
    })
}
