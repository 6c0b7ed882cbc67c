//! `ListSchedules`: by group and name.

use kiln_store::schedules::ListSchedules;

use super::generated::{ListSchedulesInput, ListSchedulesOutput};
use super::refusal::no_group;
use super::{page, shown};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(
    context: &Context,
    input: ListSchedulesInput,
) -> Result<ListSchedulesOutput> {
    let (account, schedules) = (&context.caller.account, context.deps.store.schedules());
    if let Some(group) = &input.group_name
        && schedules
            .group(account, group, context.now)
            .await?
            .is_none()
    {
        return Err(no_group(group));
    }
    let size = page::size(input.max_results);
    let query = ListSchedules {
        account: account.clone(),
        group: input.group_name,
        prefix: input.name_prefix,
        is_enabled: input.state.map(|state| state == "ENABLED"),
        after: page::read(input.next_token.as_ref())?,
        count_max: size + 1,
    };
    let mut found = schedules.list(query).await?;
    let has_more = found.len() > size;
    found.truncate(size);
    let last = found.last().filter(|_| has_more);
    Ok(ListSchedulesOutput {
        next_token: last.map(|last| page::write(&last.id.group, &last.id.name)),
        schedules: found
            .iter()
            .map(|one| shown::summary(context, one))
            .collect(),
    })
}
