//! `UntagResource`.

use std::collections::BTreeMap;

use super::generated::{UntagResourceInput, UntagResourceOutput};
use super::tags;
use crate::context::Context;
use crate::error::{ApiError, Result};

pub(crate) async fn handle(
    context: &Context,
    input: UntagResourceInput,
) -> Result<UntagResourceOutput> {
    let name = tags::group(context, &input.resource_arn)?.to_owned();
    let account = context.caller.account.clone();
    let change = move |tags: &mut BTreeMap<String, String>| {
        tags.retain(|key, _| !input.tag_keys.contains(key));
        Ok(())
    };
    let schedules = context.deps.store.schedules();
    let untagged = schedules.tag_group::<ApiError, _>(account, name, context.now, change);
    untagged.await?;
    Ok(UntagResourceOutput {})
}
