//! `TagResource`.

use super::generated::{TagResourceInput, TagResourceOutput};
use super::tags;
use crate::context::Context;
use crate::error::{ApiError, Result};

pub(crate) async fn handle(
    context: &Context,
    input: TagResourceInput,
) -> Result<TagResourceOutput> {
    let name = tags::group(context, &input.resource_arn)?.to_owned();
    let account = context.caller.account.clone();
    let change = move |tags: &mut _| tags::add(tags, input.tags);
    let schedules = context.deps.store.schedules();
    let tagged = schedules.tag_group::<ApiError, _>(account, name, context.now, change);
    tagged.await?;
    Ok(TagResourceOutput {})
}
