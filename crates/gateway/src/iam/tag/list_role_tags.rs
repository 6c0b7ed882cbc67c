//! `ListRoleTags`: the tags of a role, by key.

use super::{list, role};
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{ListRoleTagsRequest as Input, ListRoleTagsResponse as Output};
use crate::iam::paging::Asked;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let asked = Asked {
        marker: input.marker,
        max_items: input.max_items,
    };
    let page = list(context, &role(&input.role_name)?, &asked)?;
    Ok(Output {
        tags: page.items,
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}
