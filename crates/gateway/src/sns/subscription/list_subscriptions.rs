//! `ListSubscriptions`: the subscriptions of all topics of the account, 100 a page.

use super::page_of;
use crate::context::Context;
use crate::error::Result;
use crate::sns::generated::{ListSubscriptionsInput as Input, ListSubscriptionsResponse as Output};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let topics = context.deps.store.topics().list(&context.caller.account);
    let (items, next_token) = page_of(context, &topics, input.next_token.as_deref())?;
    Ok(Output {
        subscriptions: Some(items),
        next_token,
    })
}
