//! `CreateScheduleGroup`.

use kiln_store::schedules::ScheduleGroup;

use super::generated::{CreateScheduleGroupInput, CreateScheduleGroupOutput};
use super::{shown, tags, token};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(
    context: &Context,
    input: CreateScheduleGroupInput,
) -> Result<CreateScheduleGroupOutput> {
    let token = token(input.client_token.as_ref(), &input);
    let mut group = ScheduleGroup {
        name: input.name,
        is_deleting: false,
        created: context.now,
        modified: context.now,
        tags: Default::default(),
    };
    tags::add(&mut group.tags, input.tags.unwrap_or_default())?;
    let schedule_group_arn = shown::group_arn(context, &group.name);
    let (account, schedules) = (
        context.caller.account.clone(),
        context.deps.store.schedules(),
    );
    schedules.create_group(account, group, token).await?;
    Ok(CreateScheduleGroupOutput { schedule_group_arn })
}
