//! `ListGroupPolicies`: the names of a group's own policies.

use kiln_types::iam::Holder;

use super::list;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{
    ListGroupPoliciesRequest as Input, ListGroupPoliciesResponse as Output,
};
use crate::iam::name;
use crate::iam::paging::Asked;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let holder = Holder::Group(name(&input.group_name)?);
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
