//! `TagResource`: adds tags to an API or a stage, or changes them.

use super::{Tagged, check};
use crate::apigatewayv2::generated::{TagResourceRequest as Input, TagResourceResponse as Output};
use crate::apigatewayv2::lookup;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let tagged = Tagged::read(&input.resource_arn, &context.config.region)?;
    let added = input.tags.unwrap_or_default();
    let id = tagged.api.clone();
    let edited = lookup::edit(context, &id, move |api| {
        let tags = tagged.tags_mut(api)?;
        tags.extend(added);
        check(tags)
    });
    edited.await?;
    Ok(Output {})
}
