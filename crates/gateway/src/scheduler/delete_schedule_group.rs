//! `DeleteScheduleGroup`: its schedules go with it.
//!
//! AWS differs: the group and its schedules are gone when the answer comes.

use kiln_store::schedules::ListSchedules;
use kiln_types::schedule::DEFAULT_GROUP;

use super::generated::{DeleteScheduleGroupInput, DeleteScheduleGroupOutput};
use super::refusal::invalid;
use super::token;
use crate::access::{self, Need};
use crate::context::{Context, Identity};
use crate::error::Result;

/// Schedules that are looked at a time.
const PAGE: usize = 1_000;

pub(crate) async fn handle(
    context: &Context,
    input: DeleteScheduleGroupInput,
) -> Result<DeleteScheduleGroupOutput> {
    if input.name == DEFAULT_GROUP {
        return Err(invalid("The default schedule group cannot be deleted."));
    }
    check_schedules(context, &input.name).await?;
    let token = token(input.client_token.as_ref(), &input);
    let (account, schedules) = (
        context.caller.account.clone(),
        context.deps.store.schedules(),
    );
    let deleted = schedules.delete_group(account, input.name, token, context.now);
    deleted.await?;
    Ok(DeleteScheduleGroupOutput {})
}

/// Refuses to delete schedules that the caller may not delete one by one.
async fn check_schedules(context: &Context, group: &str) -> Result<()> {
    let account = &context.caller.account;
    if context.caller.identity == Identity::Account {
        return Ok(());
    }
    let mut after = None;
    loop {
        let query = ListSchedules {
            account: account.clone(),
            group: Some(group.to_owned()),
            prefix: None,
            is_enabled: None,
            after,
            count_max: PAGE,
        };
        let found = context.deps.store.schedules().list(query).await?;
        let needs: Vec<Need> = found
            .iter()
            .map(|schedule| {
                let arn = schedule.id.arn(&context.config.region);
                Need::new("scheduler:DeleteSchedule", arn)
            })
            .collect();
        access::check(context.asking(), &needs)?;
        match found.last() {
            Some(last) if found.len() == PAGE => {
                after = Some((last.id.group.clone(), last.id.name.clone()));
            }
            _ => return Ok(()),
        }
    }
}
