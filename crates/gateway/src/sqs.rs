//! The Simple Queue Service: message queues, on the store that keeps asynchronous events.
//!
//! Clients speak `json` 1.0, and older ones the `query` protocol, to `/` or to a queue's own address.
//!
//! AWS differs: only callers of a queue's own account reach it, whatever its policy says of others. What encryption is set is kept and shown; the disk is encrypted by whoever owns it.

pub(crate) mod generated;

mod address;
mod batch;
mod message;
mod move_task;
mod needs;
mod permission;
pub(crate) mod queue;
mod refusal;
mod tag;

pub(crate) use address::is_queue_path;

use bytes::Bytes;
use http::Response;

use crate::context::Context;
use crate::error::Result;
use crate::wire::Request;
use crate::wire::form::Flat;

crate::wire::dispatch! {
    AddPermission => permission::add_permission::handle,
    CancelMessageMoveTask => move_task::cancel_message_move_task::handle,
    ChangeMessageVisibility => message::change_message_visibility::handle,
    ChangeMessageVisibilityBatch => message::change_message_visibility_batch::handle,
    CreateQueue => queue::create_queue::handle,
    DeleteMessage => message::delete_message::handle,
    DeleteMessageBatch => message::delete_message_batch::handle,
    DeleteQueue => queue::delete_queue::handle,
    GetQueueAttributes => queue::get_queue_attributes::handle,
    GetQueueUrl => queue::get_queue_url::handle,
    ListDeadLetterSourceQueues => queue::list_dead_letter_source_queues::handle,
    ListMessageMoveTasks => move_task::list_message_move_tasks::handle,
    ListQueueTags => tag::list_queue_tags::handle,
    ListQueues => queue::list_queues::handle,
    PurgeQueue => queue::purge_queue::handle,
    ReceiveMessage => message::receive_message::handle,
    RemovePermission => permission::remove_permission::handle,
    SendMessage => message::send_message::handle,
    SendMessageBatch => message::send_message_batch::handle,
    SetQueueAttributes => queue::set_queue_attributes::handle,
    StartMessageMoveTask => move_task::start_message_move_task::handle,
    TagQueue => tag::tag_queue::handle,
    UntagQueue => tag::untag_queue::handle,
}

const fn list(member: &'static str, element: &'static str) -> Flat {
    Flat {
        member,
        element,
        entry: None,
    }
}

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

/// What stands flat in forms and XML, under names of its own (API reference of the query protocol).
pub(crate) const FLAT: &[Flat] = &[
    list("AWSAccountIds", "AWSAccountId"),
    list("Actions", "ActionName"),
    list("AttributeNames", "AttributeName"),
    list("Entries", "{}RequestEntry"),
    list("Failed", "BatchResultErrorEntry"),
    list("MessageAttributeNames", "MessageAttributeName"),
    list("MessageSystemAttributeNames", "MessageSystemAttributeName"),
    list("Messages", "Message"),
    list("QueueUrls", "QueueUrl"),
    list("Results", "{}ResultEntry"),
    list("Successful", "{}ResultEntry"),
    list("TagKeys", "TagKey"),
    list("queueUrls", "QueueUrl"),
    map("Attributes", "Attribute", ("Name", "Value")),
    map("MessageAttributes", "MessageAttribute", ("Name", "Value")),
    map(
        "MessageSystemAttributes",
        "MessageSystemAttribute",
        ("Name", "Value"),
    ),
    map("Tags", "Tag", ("Key", "Value")),
    map("tags", "Tag", ("Key", "Value")),
];

/// Runs an operation that came to `/` or to a queue's own address.
pub(crate) async fn serve(
    operation: generated::Operation,
    context: &Context,
    request: Request,
) -> Result<Response<Bytes>> {
    dispatch(operation, context, address::complete(request)).await
}
