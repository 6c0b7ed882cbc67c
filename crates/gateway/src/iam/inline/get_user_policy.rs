//! `GetUserPolicy`: a policy of a user's own.

use kiln_types::iam::Holder;

use super::get;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{GetUserPolicyRequest as Input, GetUserPolicyResponse as Output};
use crate::iam::name;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let holder = Holder::User(name(&input.user_name)?);
    let shown = get(context, &holder, &input.policy_name)?;
    Ok(Output {
        user_name: shown.holder,
        policy_name: shown.name,
        policy_document: shown.document,
    })
}
