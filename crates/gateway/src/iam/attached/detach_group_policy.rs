//! `DetachGroupPolicy`: detaches a managed policy from a group.

use kiln_types::iam::Holder;

use super::detach;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::DetachGroupPolicyRequest as Input;
use crate::iam::name;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let holder = Holder::Group(name(&input.group_name)?);
    detach(context, holder, &input.policy_arn).await
}
