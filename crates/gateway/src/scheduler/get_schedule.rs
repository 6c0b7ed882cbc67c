//! `GetSchedule`.

use kiln_store::schedules::ScheduleError;

use super::generated::{GetScheduleInput, GetScheduleOutput};
use super::{id, shown};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(
    context: &Context,
    input: GetScheduleInput,
) -> Result<GetScheduleOutput> {
    let id = id(context, input.group_name.as_deref(), &input.name);
    match context.deps.store.schedules().get(&id).await? {
        Some(schedule) => Ok(shown::schedule(context, schedule)),
        None => Err(ScheduleError::NotFound(id).into()),
    }
}
