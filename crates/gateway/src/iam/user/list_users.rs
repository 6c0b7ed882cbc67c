//! `ListUsers`: the account's users, by name.

use super::listed;
use crate::context::Context;
use crate::error::Result;
use crate::iam::directory;
use crate::iam::generated::{ListUsersRequest as Input, ListUsersResponse as Output};
use crate::iam::paging::{Asked, by_name, is_below, page};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let (directory, prefix) = (directory(context), input.path_prefix.as_deref());
    let asked = Asked {
        marker: input.marker,
        max_items: input.max_items,
    };
    let users = directory
        .users()
        .filter(|user| is_below(&user.path, prefix));
    let page = page(users, |user| by_name(&user.name), &asked)?;
    let page = page.map(|user| listed(directory.account(), user));
    Ok(Output {
        users: page.items,
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}
