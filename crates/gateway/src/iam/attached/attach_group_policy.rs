//! `AttachGroupPolicy`: attaches a managed policy to a group; it may be already.

use kiln_types::iam::Holder;

use super::attach;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::AttachGroupPolicyRequest as Input;
use crate::iam::name;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let holder = Holder::Group(name(&input.group_name)?);
    attach(context, holder, &input.policy_arn).await
}
