//! `ListScheduleGroups`: by name.

use super::generated::{ListScheduleGroupsInput, ListScheduleGroupsOutput};
use super::{page, shown};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(
    context: &Context,
    input: ListScheduleGroupsInput,
) -> Result<ListScheduleGroupsOutput> {
    let (account, schedules) = (&context.caller.account, context.deps.store.schedules());
    let after = page::read(input.next_token.as_ref())?;
    let prefix = input.name_prefix.unwrap_or_default();
    let mut found = schedules.groups(account, context.now).await?;
    found.retain(|group| {
        let is_after = after.as_ref().is_none_or(|(_, last)| group.name > *last);
        is_after && group.name.starts_with(&prefix)
    });
    let size = page::size(input.max_results);
    let has_more = found.len() > size;
    found.truncate(size);
    let last = found.last().filter(|_| has_more);
    Ok(ListScheduleGroupsOutput {
        next_token: last.map(|last| page::write("", &last.name)),
        schedule_groups: found.iter().map(|one| shown::group(context, one)).collect(),
    })
}
