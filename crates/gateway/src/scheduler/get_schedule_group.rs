//! `GetScheduleGroup`.

use super::generated::{GetScheduleGroupInput, GetScheduleGroupOutput};
use super::refusal::no_group;
use super::shown;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(
    context: &Context,
    input: GetScheduleGroupInput,
) -> Result<GetScheduleGroupOutput> {
    let (account, schedules) = (&context.caller.account, context.deps.store.schedules());
    let found = schedules.group(account, &input.name, context.now).await?;
    let group = found.ok_or_else(|| no_group(&input.name))?;
    let group = shown::group(context, &group);
    Ok(GetScheduleGroupOutput {
        arn: group.arn,
        name: group.name,
        state: group.state,
        creation_date: group.creation_date,
        last_modification_date: group.last_modification_date,
    })
}
