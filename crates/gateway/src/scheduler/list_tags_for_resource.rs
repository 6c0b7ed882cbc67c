//! `ListTagsForResource`.

use super::generated::{ListTagsForResourceInput, ListTagsForResourceOutput, Tag};
use super::refusal::no_group;
use super::tags;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(
    context: &Context,
    input: ListTagsForResourceInput,
) -> Result<ListTagsForResourceOutput> {
    let name = tags::group(context, &input.resource_arn)?;
    let (account, schedules) = (&context.caller.account, context.deps.store.schedules());
    let found = schedules.group(account, name, context.now).await?;
    let group = found.ok_or_else(|| no_group(name))?;
    let tag = |(key, value)| Tag { key, value };
    Ok(ListTagsForResourceOutput {
        tags: Some(group.tags.into_iter().map(tag).collect()),
    })
}
