//! `ListTagsForResource`: a topic's tags.

use super::{id, no_resource};
use crate::context::Context;
use crate::error::Result;
use crate::sns::generated::{
    ListTagsForResourceRequest as Input, ListTagsForResourceResponse as Output, Tag,
};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let id = id(context, &input.resource_arn)?;
    let live = context.deps.store.topics().get(&id);
    let live = live.ok_or_else(no_resource)?;
    let tag = |(key, value): (&String, &String)| Tag {
        key: key.clone(),
        value: value.clone(),
    };
    Ok(Output {
        tags: Some(live.topic.tags.iter().map(tag).collect()),
    })
}
