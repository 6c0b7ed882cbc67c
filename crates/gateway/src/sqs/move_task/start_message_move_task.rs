//! `StartMessageMoveTask`: begins to move a dead-letter queue's messages on.

use kiln_store::messages::MoveError;

use super::handle::Handle;
use super::no_resource;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::sqs::address::{arn, by_arn};
use crate::sqs::generated::{
    StartMessageMoveTaskRequest as Input, StartMessageMoveTaskResult as Output,
};
use crate::sqs::refusal::{invalid, invalid_value};

/// Most messages a second that one may ask for (API reference).
const PER_SECOND_MAX: i64 = 500;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let messages = context.deps.store.messages();
    let source = by_arn(context, &input.source_arn).filter(|id| messages.get(id).is_some());
    let source = source.ok_or_else(|| no_resource("SourceArn"))?;
    if messages.sources(&source).is_empty() {
        return Err(invalid(
            "Source queue must be configured as a Dead Letter Queue.",
        ));
    }
    let per_second = input.max_number_of_messages_per_second;
    if let Some(rate) = per_second.filter(|rate| !(1..=PER_SECOND_MAX).contains(rate)) {
        let reason = "Must be between 1 and 500, if provided.";
        return Err(invalid_value(rate, "MaxNumberOfMessagesPerSecond", reason));
    }
    let destination = match &input.destination_arn {
        None => None,
        Some(text) => {
            let found = by_arn(context, text).filter(|id| messages.get(id).is_some());
            Some(found.ok_or_else(|| no_resource("DestinationArn"))?)
        }
    };
    if destination
        .as_ref()
        .is_some_and(|id| id.name.is_fifo() != source.name.is_fifo())
    {
        return Err(invalid(
            "Source and destination queues must be of the same type.",
        ));
    }
    if destination.as_ref() == Some(&source) {
        return Err(invalid(
            "Source queue arn and destination queue arn must be different.",
        ));
    }
    let source_arn = arn(context, &source).to_string();
    let per_second = per_second.map(|rate| rate as u32);
    let started = messages
        .start_move(source, destination, per_second, context.now)
        .await;
    let task = started.map_err(|error| match error {
        MoveError::IsRunning => invalid(
            "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
        ),
        MoveError::TooMany => ApiError::new(
            Exception::OverLimit,
            "As many tasks of the account run as may: wait for one, or cancel one.",
        ),
        MoveError::Store(error) => error.into(),
        MoveError::NoMove | MoveError::NotRunning => ApiError::internal(),
    })?;
    let handle = Handle {
        task_id: task.id,
        source_arn,
    };
    Ok(Output {
        task_handle: Some(handle.text()),
    })
}
