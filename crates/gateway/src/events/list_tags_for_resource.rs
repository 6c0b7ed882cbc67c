//! `ListTagsForResource`: the tags of a bus or a rule.

use super::generated::{
    ListTagsForResourceRequest as Input, ListTagsForResourceResponse as Output, Tag,
};
use super::tag::Tagged;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let tags = Tagged::read(context, &input.resource_arn)?.tags(context)?;
    let tags = tags.into_iter().map(|(key, value)| Tag { key, value });
    Ok(Output {
        tags: Some(tags.collect()),
    })
}
