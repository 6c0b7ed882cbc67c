//! `ListAccessKeys`: the keys of a user, the oldest first.

use super::{Owner, status};
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{
    AccessKeyMetadata, ListAccessKeysRequest as Input, ListAccessKeysResponse as Output,
};
use crate::iam::paging::{Asked, page};
use crate::iam::time;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let owner = Owner::of(context, input.user_name.as_deref())?;
    let (keys, account) = (context.deps.store.keys(), &context.caller.account);
    let asked = Asked {
        marker: input.marker,
        max_items: input.max_items,
    };
    let listed = keys.list_of(account, owner.id());
    let order = |key: &std::sync::Arc<kiln_store::AccessKey>| {
        format!("{:020} {}", key.created.as_millis(), key.id)
    };
    let page = page(listed, order, &asked)?.map(|key| AccessKeyMetadata {
        user_name: owner.user_name(),
        access_key_id: Some(key.id.clone()),
        status: Some(status(&key)),
        create_date: Some(time(key.created)),
    });
    Ok(Output {
        access_key_metadata: page.items,
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}
