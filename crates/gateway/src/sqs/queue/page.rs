//! Paging through queues.

use std::sync::Arc;

use kiln_store::messages::MessageQueue;

use crate::context::Context;
use crate::error::Result;
use crate::page;
use crate::sqs::address::url;
use crate::sqs::refusal::invalid;

/// Queues of a list at once.
const PAGE_MAX: i64 = 1_000;

/// A page of a list: the addresses, and where the next begins. Who asks for no size gets no next page.
pub(super) fn page(
    context: &Context,
    queues: Vec<Arc<MessageQueue>>,
    token: Option<&str>,
    size: Option<i64>,
) -> Result<(Vec<String>, Option<String>)> {
    if size.is_some_and(|size| !(1..=PAGE_MAX).contains(&size)) {
        return Err(invalid("MaxResults must be an integer between 1 and 1000."));
    }
    let name = |queue: &Arc<MessageQueue>| queue.id.name.to_string();
    let named: Vec<(String, Arc<MessageQueue>)> = queues
        .into_iter()
        .map(|queue| (name(&queue), queue))
        .collect();
    let count = page::size(size, PAGE_MAX as usize);
    let page = page::page(named, |(name, _)| name, token, count);
    let page = page.map_err(|_| invalid("Invalid or expired next token."))?;
    let urls = page.items.iter().map(|(_, queue)| url(context, &queue.id));
    Ok((urls.collect(), page.next_marker.filter(|_| size.is_some())))
}
