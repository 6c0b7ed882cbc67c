//! `ListUserTags`: the tags of a user, by key.

use super::{list, user};
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{ListUserTagsRequest as Input, ListUserTagsResponse as Output};
use crate::iam::paging::Asked;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let asked = Asked {
        marker: input.marker,
        max_items: input.max_items,
    };
    let page = list(context, &user(&input.user_name)?, &asked)?;
    Ok(Output {
        tags: page.items,
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}
