//! `ListTopics`: the account's topics, by name, 100 a page.

use crate::context::Context;
use crate::error::Result;
use crate::page;
use crate::sns::generated::{ListTopicsInput as Input, ListTopicsResponse as Output, Topic};
use crate::sns::refusal::invalid;

/// Topics and subscriptions of a page (API reference, `ListTopics`).
pub(in crate::sns) const PAGE_MAX: usize = 100;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let topics = context.deps.store.topics().list(&context.caller.account);
    let name = |live: &std::sync::Arc<kiln_store::LiveTopic>| live.topic.id.name.to_string();
    let named: Vec<_> = topics.iter().map(|live| (name(live), live)).collect();
    let token = input.next_token.as_deref();
    let page = page::page(named, |(name, _)| name, token, PAGE_MAX);
    let page = page.map_err(|_| invalid("NextToken"))?;
    let arn = |(_, live): &(String, &std::sync::Arc<kiln_store::LiveTopic>)| Topic {
        topic_arn: Some(live.topic.id.arn(&context.config.region).to_string()),
    };
    Ok(Output {
        topics: Some(page.items.iter().map(arn).collect()),
        next_token: page.next_marker,
    })
}
