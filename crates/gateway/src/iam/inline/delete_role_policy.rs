//! `DeleteRolePolicy`: takes a policy of its own from a role.

use kiln_types::iam::Holder;

use super::delete;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::DeleteRolePolicyRequest as Input;
use crate::iam::name;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let holder = Holder::Role(name(&input.role_name)?);
    delete(context, holder, &input.policy_name).await
}
