//! `UntagResource`: takes tags from an API or a stage. Those that are not there are no mistake.

use super::Tagged;
use crate::apigatewayv2::generated::UntagResourceRequest as Input;
use crate::apigatewayv2::lookup;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let tagged = Tagged::read(&input.resource_arn, &context.config.region)?;
    let id = tagged.api.clone();
    let edited = lookup::edit(context, &id, move |api| {
        let tags = tagged.tags_mut(api)?;
        tags.retain(|key, _| !input.tag_keys.contains(key));
        Ok(())
    });
    edited.await.map(|_| ())
}
