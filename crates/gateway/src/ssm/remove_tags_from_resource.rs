//! `RemoveTagsFromResource`: takes tags from a parameter.

use super::generated::{
    RemoveTagsFromResourceRequest as Input, RemoveTagsFromResourceResult as Output,
};
use super::tagged;
use crate::context::Context;
use crate::error::{ApiError, Result};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let parameter = tagged::find(context, &input.resource_type, &input.resource_id)?;
    let parameters = context.deps.store.parameters();
    let kept = parameters.update(&parameter.id, move |parameter| {
        parameter
            .tags
            .retain(|key, _| !input.tag_keys.contains(key));
        Ok::<_, ApiError>(())
    });
    kept.await?;
    Ok(Output {})
}
