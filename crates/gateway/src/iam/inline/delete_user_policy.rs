//! `DeleteUserPolicy`: takes a policy of its own from a user.

use kiln_types::iam::Holder;

use super::delete;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::DeleteUserPolicyRequest as Input;
use crate::iam::name;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let holder = Holder::User(name(&input.user_name)?);
    delete(context, holder, &input.policy_name).await
}
