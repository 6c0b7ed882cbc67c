//! `AddTagsToResource`: adds tags to a parameter.

use super::generated::{AddTagsToResourceRequest as Input, AddTagsToResourceResult as Output};
use super::tagged;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let parameter = tagged::find(context, &input.resource_type, &input.resource_id)?;
    let parameters = context.deps.store.parameters();
    let kept = parameters.update(&parameter.id, move |parameter| {
        tagged::add(&mut parameter.tags, input.tags)
    });
    kept.await?;
    Ok(Output {})
}
