//! `ListTagsForResource`: a parameter's tags.

use super::generated::{
    ListTagsForResourceRequest as Input, ListTagsForResourceResult as Output, Tag,
};
use super::tagged;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let parameter = tagged::find(context, &input.resource_type, &input.resource_id)?;
    let tag = |(key, value): (&String, &String)| Tag {
        key: key.clone(),
        value: value.clone(),
    };
    Ok(Output {
        tag_list: Some(parameter.tags.iter().map(tag).collect()),
    })
}
