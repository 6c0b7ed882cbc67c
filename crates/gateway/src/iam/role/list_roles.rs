//! `ListRoles`: the account's roles, by name.

use super::listed;
use crate::context::Context;
use crate::error::Result;
use crate::iam::directory;
use crate::iam::generated::{ListRolesRequest as Input, ListRolesResponse as Output};
use crate::iam::paging::{Asked, by_name, is_below, page};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let (directory, prefix) = (directory(context), input.path_prefix.as_deref());
    let asked = Asked {
        marker: input.marker,
        max_items: input.max_items,
    };
    let roles = directory.roles();
    let roles = roles.filter(|role| is_below(&role.path, prefix));
    let page = page(roles, |role| by_name(&role.name), &asked)?;
    let page = page.map(|role| listed(directory.account(), role));
    Ok(Output {
        roles: page.items,
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}
