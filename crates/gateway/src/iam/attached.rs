//! Operations on managed policies that are attached to somebody.

use kiln_types::iam::{Grants, Holder, PolicyArn};

use super::generated::AttachedPolicy;
use super::paging::{self, Asked, Paged, by_name, is_below};
use super::{change, directory, policy_arn};
use crate::context::Context;
use crate::error::Result;

pub(super) mod attach_group_policy;
pub(super) mod attach_role_policy;
pub(super) mod attach_user_policy;
pub(super) mod detach_group_policy;
pub(super) mod detach_role_policy;
pub(super) mod detach_user_policy;
pub(super) mod list_attached_group_policies;
pub(super) mod list_attached_role_policies;
pub(super) mod list_attached_user_policies;

async fn attach(context: &Context, holder: Holder, arn: &str) -> Result<()> {
    let arn = policy_arn(arn)?;
    change(context, move |directory| directory.attach(&holder, arn)).await
}

async fn detach(context: &Context, holder: Holder, arn: &str) -> Result<()> {
    let arn = policy_arn(arn)?;
    change(context, move |directory| directory.detach(&holder, &arn)).await
}

fn list(
    context: &Context,
    holder: &Holder,
    prefix: Option<&str>,
    asked: &Asked,
) -> Result<Paged<AttachedPolicy>> {
    let directory = directory(context);
    let attached = directory.grants(holder)?.attached.iter();
    let attached = attached.filter(|arn| is_below(&arn.path, prefix));
    // Two may have one name: AWS's and the account's.
    let order = |arn: &&PolicyArn| format!("{} {arn}", by_name(&arn.name));
    Ok(paging::page(attached, order, asked)?.map(shown))
}

/// All that somebody has attached.
pub(super) fn all(grants: &Grants) -> Vec<AttachedPolicy> {
    grants.attached.iter().map(shown).collect()
}

fn shown(arn: &PolicyArn) -> AttachedPolicy {
    AttachedPolicy {
        policy_name: Some(arn.name.to_string()),
        policy_arn: Some(arn.to_string()),
    }
}
