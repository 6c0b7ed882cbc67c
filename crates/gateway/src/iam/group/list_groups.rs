//! `ListGroups`: the account's groups, by name.

use super::shown;
use crate::context::Context;
use crate::error::Result;
use crate::iam::directory;
use crate::iam::generated::{ListGroupsRequest as Input, ListGroupsResponse as Output};
use crate::iam::paging::{Asked, by_name, is_below, page};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let (directory, prefix) = (directory(context), input.path_prefix.as_deref());
    let asked = Asked {
        marker: input.marker,
        max_items: input.max_items,
    };
    let groups = directory.groups();
    let groups = groups.filter(|group| is_below(&group.path, prefix));
    let page = page(groups, |group| by_name(&group.name), &asked)?;
    let page = page.map(|group| shown(directory.account(), group));
    Ok(Output {
        groups: page.items,
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}
