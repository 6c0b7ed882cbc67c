//! `DeleteDataProtectionPolicy`: nothing is masked any more in a group's events. Those that were masked stay so.

use super::generated::DeleteDataProtectionPolicyRequest as Input;
use super::group::{named, refusal};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let group = named(context, None, Some(input.log_group_identifier))?;
    let account = &context.caller.account;
    let logs = context.deps.store.logs();
    let removed = logs.set_protection(account, &group, None).await;
    removed.map(|_| ()).map_err(refusal)
}
