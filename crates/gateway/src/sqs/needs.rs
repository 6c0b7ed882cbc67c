//! What operations on queues need to be allowed. A queue's policy has a say.
//!
//! Source: "Actions, resources, and condition keys for Amazon SQS" in the service authorization reference.

use super::generated::Operation;
use super::{address, move_task};
use crate::access::{Guarded, Members, Need};

impl Guarded for Operation {
    const SERVICE: &'static str = "sqs";

    fn name(self) -> &'static str {
        Operation::name(self)
    }

    fn needs(self, of: &Members<'_>) -> Vec<Need> {
        use Operation::*;
        match self {
            ListQueues => vec![of.need("*")],
            CreateQueue | GetQueueUrl => vec![of.need(of.arn(of.text_or_empty("QueueName")))],
            ListMessageMoveTasks => vec![of.need(by_arn(of, of.text_or_empty("SourceArn")))],
            StartMessageMoveTask => moved(of),
            CancelMessageMoveTask => {
                let source = move_task::source(of.text_or_empty("TaskHandle"));
                vec![of.need(source.map_or_else(|| "*".to_owned(), |arn| by_arn(of, &arn)))]
            }
            // Batches have no action of their own.
            SendMessageBatch => vec![queue(of, "SendMessage")],
            DeleteMessageBatch => vec![queue(of, "DeleteMessage")],
            ChangeMessageVisibilityBatch => vec![queue(of, "ChangeMessageVisibility")],
            _ => vec![queue(of, Operation::name(self))],
        }
    }
}

/// The queue whose address a request has.
fn queue(of: &Members<'_>, action: &str) -> Need {
    let id = address::id(of.context, of.text_or_empty("QueueUrl")).ok();
    let arn = id.map(|id| of.arn(&id.name));
    of.need_as(action, arn.unwrap_or_else(|| "*".to_owned()))
}

/// Messages are taken from one queue, and sent to another or to where they came from.
fn moved(of: &Members<'_>) -> Vec<Need> {
    let source = by_arn(of, of.text_or_empty("SourceArn"));
    let taken = [
        "StartMessageMoveTask",
        "ReceiveMessage",
        "DeleteMessage",
        "GetQueueAttributes",
    ];
    let mut needs: Vec<Need> = taken
        .iter()
        .map(|action| of.need_as(action, source.as_str()))
        .collect();
    match of.text("DestinationArn") {
        Some(arn) => needs.push(of.need_as("SendMessage", by_arn(of, arn))),
        None => {
            let id = address::by_arn(of.context, &source);
            let messages = of.context.deps.store.messages();
            let back_to = id.iter().flat_map(|id| messages.sources(id));
            let sent = back_to.map(|queue| of.need_as("SendMessage", of.arn(&queue.id.name)));
            needs.extend(sent);
        }
    }
    needs
}

/// The ARN of the queue that an ARN means.
fn by_arn(of: &Members<'_>, arn: &str) -> String {
    let id = address::by_arn(of.context, arn);
    id.map_or_else(|| arn.to_owned(), |id| of.arn(&id.name))
}
