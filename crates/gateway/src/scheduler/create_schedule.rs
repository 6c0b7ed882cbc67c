//! `CreateSchedule`.
//!
//! AWS differs: `at` with a time that was more than a minute ago makes a schedule that never runs.

use super::generated::{CreateScheduleInput, CreateScheduleOutput};
use super::{id, settings, token};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(
    context: &Context,
    input: CreateScheduleInput,
) -> Result<CreateScheduleOutput> {
    let id = id(context, input.group_name.as_deref(), &input.name);
    let schedule_arn = id.arn(&context.config.region);
    let settings = settings::read(context, &input, None)?;
    let new = settings::make(id, settings, context.now)?;
    let token = token(input.client_token.as_ref(), &input);
    let schedules = context.deps.store.schedules();
    schedules.create(new, token, context.now).await?;
    Ok(CreateScheduleOutput { schedule_arn })
}
