//! `DeleteSchedule`. What it has delivered already is not taken back.

use super::generated::{DeleteScheduleInput, DeleteScheduleOutput};
use super::{id, token};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(
    context: &Context,
    input: DeleteScheduleInput,
) -> Result<DeleteScheduleOutput> {
    let id = id(context, input.group_name.as_deref(), &input.name);
    let token = token(input.client_token.as_ref(), &input);
    let schedules = context.deps.store.schedules();
    schedules.delete(id, token, context.now).await?;
    Ok(DeleteScheduleOutput {})
}
