//! `ListPolicyTags`: the tags of a managed policy, by key.

use super::{list, policy};
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{ListPolicyTagsRequest as Input, ListPolicyTagsResponse as Output};
use crate::iam::paging::Asked;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let asked = Asked {
        marker: input.marker,
        max_items: input.max_items,
    };
    let page = list(context, &policy(&input.policy_arn)?, &asked)?;
    Ok(Output {
        tags: page.items,
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}
