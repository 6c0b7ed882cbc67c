//! `UpdateSchedule`: what is not given takes its default. A change of when the schedule runs begins it anew; another
//! change moves no tick.

use super::generated::{CreateScheduleInput, UpdateScheduleInput, UpdateScheduleOutput};
use super::{id, settings};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(
    context: &Context,
    input: UpdateScheduleInput,
) -> Result<UpdateScheduleOutput> {
    let id = id(context, input.group_name.as_deref(), &input.name);
    let schedule_arn = id.arn(&context.config.region);
    let schedules = context.deps.store.schedules();
    let present = schedules.get(&id).await?;
    let settings = settings::read(context, &as_create(input), present.as_ref())?;
    let now = context.now;
    let change = move |before: &_| settings::change(before, settings, now);
    schedules.replace(id, now, change).await?;
    Ok(UpdateScheduleOutput { schedule_arn })
}

fn as_create(input: UpdateScheduleInput) -> CreateScheduleInput {
    CreateScheduleInput {
        name: input.name,
        group_name: input.group_name,
        schedule_expression: input.schedule_expression,
        start_date: input.start_date,
        end_date: input.end_date,
        description: input.description,
        schedule_expression_timezone: input.schedule_expression_timezone,
        state: input.state,
        kms_key_arn: input.kms_key_arn,
        target: input.target,
        flexible_time_window: input.flexible_time_window,
        client_token: input.client_token,
        action_after_completion: input.action_after_completion,
    }
}
