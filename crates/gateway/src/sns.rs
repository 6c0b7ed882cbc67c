//! The Simple Notification Service: topics, who has subscribed to them, and what is published.
//!
//! AWS differs: subscribers are functions and queues of the topic's own account and region, and HTTP endpoints that agree;
//! other protocols are refused, by their names. only callers of a topic's own account reach it, whatever its policy says of others;
//! neither a function nor a queue needs a policy that lets a topic of its own account in. What encryption, tracing and
//! delivery status is set is kept and shown.

pub(crate) mod generated;

mod message;
mod needs;
pub(crate) mod open;
mod permission;
mod refusal;
mod subscription;
mod tag;
#[cfg(test)]
mod tests;
mod topic;

#[cfg(test)]
pub(crate) use topic::create_topic::handle as create_topic;

use bytes::Bytes;
use http::Response;

use crate::context::Context;
use crate::error::Result;
use crate::wire::Request;
use crate::wire::form::Flat;

crate::wire::dispatch! {
    AddPermission => permission::add_permission::handle,
    ConfirmSubscription => subscription::confirm_subscription::handle,
    CreateTopic => topic::create_topic::handle,
    DeleteTopic => topic::delete_topic::handle,
    GetSubscriptionAttributes => subscription::get_subscription_attributes::handle,
    GetTopicAttributes => topic::get_topic_attributes::handle,
    ListSubscriptions => subscription::list_subscriptions::handle,
    ListSubscriptionsByTopic => subscription::list_subscriptions_by_topic::handle,
    ListTagsForResource => tag::list_tags_for_resource::handle,
    ListTopics => topic::list_topics::handle,
    Publish => message::publish::handle,
    PublishBatch => message::publish_batch::handle,
    RemovePermission => permission::remove_permission::handle,
    SetSubscriptionAttributes => subscription::set_subscription_attributes::handle,
    SetTopicAttributes => topic::set_topic_attributes::handle,
    Subscribe => subscription::subscribe::handle,
    TagResource => tag::tag_resource::handle,
    Unsubscribe => subscription::unsubscribe::handle,
    UntagResource => tag::untag_resource::handle,
}

/// Maps whose entries have names that the protocol's shapes do not tell.
pub(crate) const FLAT: &[Flat] = &[
    map("Attributes", "Attributes.entry", ("key", "value")),
    map(
        "MessageAttributes",
        "MessageAttributes.entry",
        ("Name", "Value"),
    ),
];

const fn map(
    member: &'static str,
    element: &'static str,
    entry: (&'static str, &'static str),
) -> Flat {
    Flat {
        member,
        element,
        entry: Some(entry),
    }
}

/// Runs an operation. One by GET, as of `UnsubscribeURL`, has its parameters in the query string.
pub(crate) async fn serve(
    operation: generated::Operation,
    context: &Context,
    request: Request,
) -> Result<Response<Bytes>> {
    dispatch(operation, context, request.with_query_in_form()).await
}
