//! `AttachUserPolicy`: attaches a managed policy to a user; it may be already.

use kiln_types::iam::Holder;

use super::attach;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::AttachUserPolicyRequest as Input;
use crate::iam::name;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let holder = Holder::User(name(&input.user_name)?);
    attach(context, holder, &input.policy_arn).await
}
