//! `GetDataProtectionPolicy`: what is masked in a group's events.

use super::generated::{
    GetDataProtectionPolicyRequest as Input, GetDataProtectionPolicyResponse as Output,
};
use super::group::{named, refusal};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let group = named(context, None, Some(input.log_group_identifier.clone()))?;
    let account = &context.caller.account;
    let kept = context.deps.store.logs().protection(account, &group).await;
    let kept = kept.map_err(refusal)?;
    Ok(Output {
        log_group_identifier: Some(input.log_group_identifier),
        last_updated_time: kept.as_ref().map(|kept| kept.changed.as_millis()),
        policy_document: kept.map(|kept| kept.document),
    })
}
