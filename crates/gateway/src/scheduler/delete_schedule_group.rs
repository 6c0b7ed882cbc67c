//! `DeleteScheduleGroup`: its schedules go with it.
//!
//! AWS differs: the group and its schedules are gone when the answer comes.

use kiln_types::schedule::DEFAULT_GROUP;

use super::generated::{DeleteScheduleGroupInput, DeleteScheduleGroupOutput};
use super::refusal::invalid;
use super::token;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(
    context: &Context,
    input: DeleteScheduleGroupInput,
) -> Result<DeleteScheduleGroupOutput> {
    if input.name == DEFAULT_GROUP {
        return Err(invalid("The default schedule group cannot be deleted."));
    }
    let token = token(input.client_token.as_ref(), &input);
    let (account, schedules) = (
        context.caller.account.clone(),
        context.deps.store.schedules(),
    );
    let deleted = schedules.delete_group(account, input.name, token, context.now);
    deleted.await?;
    Ok(DeleteScheduleGroupOutput {})
}
