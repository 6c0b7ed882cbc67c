//! `ListGroupsForUser`: the groups that a user is in, by name.

use super::shown;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{
    ListGroupsForUserRequest as Input, ListGroupsForUserResponse as Output,
};
use crate::iam::paging::{Asked, by_name, page};
use crate::iam::{directory, name};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let directory = directory(context);
    let user = directory.user(&name(&input.user_name)?)?;
    let asked = Asked {
        marker: input.marker,
        max_items: input.max_items,
    };
    let groups = user.groups.iter();
    let groups = groups.filter_map(|name| directory.group(name).ok());
    let page = page(groups, |group| by_name(&group.name), &asked)?;
    let page = page.map(|group| shown(directory.account(), group));
    Ok(Output {
        groups: page.items,
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}
