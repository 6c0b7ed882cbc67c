//! `ListSubscriptionsByTopic`: the subscriptions of a topic, 100 a page.

use super::page_of;
use crate::context::Context;
use crate::error::Result;
use crate::sns::generated::{
    ListSubscriptionsByTopicInput as Input, ListSubscriptionsByTopicResponse as Output,
};
use crate::sns::topic;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let live = topic::find(context, &input.topic_arn)?;
    let (items, next_token) = page_of(context, &[live], input.next_token.as_deref())?;
    Ok(Output {
        subscriptions: Some(items),
        next_token,
    })
}
