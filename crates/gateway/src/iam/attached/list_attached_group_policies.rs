//! `ListAttachedGroupPolicies`: the managed policies that are attached to a group, by name.

use kiln_types::iam::Holder;

use super::list;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{
    ListAttachedGroupPoliciesRequest as Input, ListAttachedGroupPoliciesResponse as Output,
};
use crate::iam::name;
use crate::iam::paging::Asked;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let holder = Holder::Group(name(&input.group_name)?);
    let asked = Asked {
        marker: input.marker,
        max_items: input.max_items,
    };
    let page = list(context, &holder, input.path_prefix.as_deref(), &asked)?;
    Ok(Output {
        attached_policies: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}
