//! `ListMessageMoveTasks`: the tasks of a queue, the last first.

use kiln_store::messages::{Move, MoveFailure, MoveState};

use super::handle::Handle;
use super::no_resource;
use crate::context::Context;
use crate::error::Result;
use crate::sqs::address::{arn, by_arn};
use crate::sqs::generated::{
    ListMessageMoveTasksRequest as Input, ListMessageMoveTasksResult as Output,
    ListMessageMoveTasksResultEntry as Entry,
};
use crate::sqs::refusal::invalid_value;

/// Tasks of a list (API reference).
const COUNT_MAX: i64 = 10;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let messages = context.deps.store.messages();
    let source = by_arn(context, &input.source_arn).filter(|id| messages.get(id).is_some());
    let source = source.ok_or_else(|| no_resource("SourceArn"))?;
    let count = input.max_results.unwrap_or(1);
    if !(1..=COUNT_MAX).contains(&count) {
        let reason = "Must be between 1 and 10, if provided.";
        return Err(invalid_value(count, "MaxResults", reason));
    }
    let tasks = messages.moves(&source).await?;
    let entries: Vec<Entry> = tasks
        .iter()
        .take(count as usize)
        .map(|task| entry(context, task))
        .collect();
    Ok(Output {
        results: Some(entries).filter(|entries| !entries.is_empty()),
    })
}

fn entry(context: &Context, task: &Move) -> Entry {
    let source_arn = arn(context, &task.source).to_string();
    let (status, failure) = match task.state {
        MoveState::Running => ("RUNNING", None),
        MoveState::Completed => ("COMPLETED", None),
        MoveState::Cancelled => ("CANCELLED", None),
        MoveState::Failed(MoveFailure::NoQueue) => {
            ("FAILED", Some("AWS.SimpleQueueService.NonExistentQueue"))
        }
        MoveState::Failed(MoveFailure::NoSource) => {
            ("FAILED", Some("CouldNotDetermineMessageSource"))
        }
    };
    let handle = Handle {
        task_id: task.id,
        source_arn: source_arn.clone(),
    };
    Entry {
        task_handle: (task.state == MoveState::Running).then(|| handle.text()),
        status: Some(status.to_owned()),
        source_arn: Some(source_arn),
        destination_arn: task
            .destination
            .as_ref()
            .map(|id| arn(context, id).to_string()),
        max_number_of_messages_per_second: task.per_second.map(i64::from),
        approximate_number_of_messages_moved: Some(task.moved as i64),
        approximate_number_of_messages_to_move: Some(task.found as i64),
        failure_reason: failure.map(str::to_owned),
        started_timestamp: Some(task.started.as_millis()),
    }
}
