//! `GetGroup`: a group, and the users in it by name.

use super::shown;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{GetGroupRequest as Input, GetGroupResponse as Output};
use crate::iam::paging::{Asked, by_name, page};
use crate::iam::{directory, name, user};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let directory = directory(context);
    let group = directory.group(&name(&input.group_name)?)?;
    let asked = Asked {
        marker: input.marker,
        max_items: input.max_items,
    };
    let users = directory.members(&group.name);
    let page = page(users, |user| by_name(&user.name), &asked)?;
    let page = page.map(|one| user::listed(directory.account(), one));
    Ok(Output {
        group: shown(directory.account(), group),
        users: page.items,
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}
