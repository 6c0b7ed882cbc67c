//! `GetGroupPolicy`: a policy of a group's own.

use kiln_types::iam::Holder;

use super::get;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{GetGroupPolicyRequest as Input, GetGroupPolicyResponse as Output};
use crate::iam::name;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let holder = Holder::Group(name(&input.group_name)?);
    let shown = get(context, &holder, &input.policy_name)?;
    Ok(Output {
        group_name: shown.holder,
        policy_name: shown.name,
        policy_document: shown.document,
    })
}
