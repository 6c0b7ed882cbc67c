//! `CancelMessageMoveTask`: stops a task; what it moved stays moved.

use kiln_store::messages::MoveError;

use super::handle::Handle;
use super::no_resource;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::sqs::address::by_arn;
use crate::sqs::generated::{
    CancelMessageMoveTaskRequest as Input, CancelMessageMoveTaskResult as Output,
};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let handle = Handle::read(&input.task_handle)?;
    let messages = context.deps.store.messages();
    let source = by_arn(context, &handle.source_arn).filter(|id| messages.get(id).is_some());
    let source = source.ok_or_else(|| no_resource("SourceArn"))?;
    let task = messages.find_move(handle.task_id).await?;
    if task.is_none_or(|task| task.source != source) {
        return Err(no_task());
    }
    let cancelled = messages.cancel_move(handle.task_id).await;
    let task = cancelled.map_err(|error| match error {
        MoveError::NoMove => no_task(),
        MoveError::NotRunning => ApiError::new(
            Exception::UnsupportedOperation,
            "Only a task that is RUNNING can be cancelled.",
        ),
        MoveError::Store(error) => error.into(),
        MoveError::IsRunning | MoveError::TooMany => ApiError::internal(),
    })?;
    Ok(Output {
        approximate_number_of_messages_moved: Some(task.moved as i64),
    })
}

fn no_task() -> ApiError {
    ApiError::new(Exception::ResourceNotFound, "Task does not exist.")
}
