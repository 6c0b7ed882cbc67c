//! `PutUserPolicy`: gives a user a policy of its own, in the place of one of the same name.

use kiln_types::iam::Holder;

use super::put;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::PutUserPolicyRequest as Input;
use crate::iam::name;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let holder = Holder::User(name(&input.user_name)?);
    put(context, holder, &input.policy_name, input.policy_document).await
}
