//! `DetachRolePolicy`: detaches a managed policy from a role.

use kiln_types::iam::Holder;

use super::detach;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::DetachRolePolicyRequest as Input;
use crate::iam::name;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let holder = Holder::Role(name(&input.role_name)?);
    detach(context, holder, &input.policy_arn).await
}
