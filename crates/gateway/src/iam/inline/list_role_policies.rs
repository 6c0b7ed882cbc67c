//! `ListRolePolicies`: the names of a role's own policies.

use kiln_types::iam::Holder;

use super::list;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{ListRolePoliciesRequest as Input, ListRolePoliciesResponse as Output};
use crate::iam::name;
use crate::iam::paging::Asked;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let holder = Holder::Role(name(&input.role_name)?);
    let asked = Asked {
        marker: input.marker,
        max_items: input.max_items,
    };
    let page = list(context, &holder, &asked)?;
    Ok(Output {
        policy_names: page.items,
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}
