//! `GetRolePolicy`: a policy of a role's own.

use kiln_types::iam::Holder;

use super::get;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{GetRolePolicyRequest as Input, GetRolePolicyResponse as Output};
use crate::iam::name;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let holder = Holder::Role(name(&input.role_name)?);
    let shown = get(context, &holder, &input.policy_name)?;
    Ok(Output {
        role_name: shown.holder,
        policy_name: shown.name,
        policy_document: shown.document,
    })
}
