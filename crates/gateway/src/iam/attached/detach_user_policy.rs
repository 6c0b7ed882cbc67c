//! `DetachUserPolicy`: detaches a managed policy from a user.

use kiln_types::iam::Holder;

use super::detach;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::DetachUserPolicyRequest as Input;
use crate::iam::name;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let holder = Holder::User(name(&input.user_name)?);
    detach(context, holder, &input.policy_arn).await
}
