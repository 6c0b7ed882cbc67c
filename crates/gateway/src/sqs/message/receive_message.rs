//! `ReceiveMessage`: takes messages, and waits for the first if it is told to.
//!
//! AWS differs: every receive looks at the whole queue, also one that does not wait. What an attempt got
//! (`ReceiveRequestAttemptId`) is forgotten when the server ends.

use std::time::Duration;

use kiln_store::messages::{MessageQueue, Receive, VISIBILITY_MAX};

use super::draft::check_id;
use super::shown::Wanted;
use crate::context::Context;
use crate::error::Result;
use crate::sqs::address;
use crate::sqs::generated::{ReceiveMessageRequest as Input, ReceiveMessageResult as Output};
use crate::sqs::refusal::{invalid_value, wrong_kind};

/// Messages that one receive may take (API reference).
const COUNT_MAX: i64 = 10;
/// How long one may wait, in seconds (API reference).
const WAIT_SECS_MAX: i64 = 20;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let queue = address::queue(context, &input.queue_url)?;
    let (ask, wait) = read(&queue, &input)?;
    let mut system = input.attribute_names.unwrap_or_default();
    system.extend(input.message_system_attribute_names.unwrap_or_default());
    let own = input.message_attribute_names.unwrap_or_default();
    let wanted = Wanted::read(system, own)?;
    let clock = context.deps.clock.as_ref();
    let messages = context.deps.store.messages();
    let is_over = async {
        tokio::select! {
            () = context.left.cancelled() => {}
            () = context.deps.stopping.cancelled() => {}
        }
    };
    let received = messages.poll(ask, wait, clock, is_over).await?;
    if context.left.is_cancelled() && !received.is_empty() {
        // Nobody gets them: others need not wait until they are visible again.
        let given_back = received.iter().map(|it| (it.receipt, Duration::ZERO));
        let given_back = given_back.collect();
        let now = clock.timestamp();
        let _ = messages.change_visibility(&queue.id, given_back, now).await;
        return Ok(Output { messages: None });
    }
    let messages: Vec<_> = received
        .into_iter()
        .map(|message| wanted.shown(context, message))
        .collect();
    Ok(Output {
        messages: Some(messages).filter(|messages| !messages.is_empty()),
    })
}

/// What is asked for, and how long to wait for it.
fn read(queue: &MessageQueue, input: &Input) -> Result<(Receive, Duration)> {
    let count_max = input.max_number_of_messages.unwrap_or(1);
    if !(1..=COUNT_MAX).contains(&count_max) {
        let reason = "Must be between 1 and 10, if provided.";
        return Err(invalid_value(count_max, "MaxNumberOfMessages", reason));
    }
    let wait_secs = input
        .wait_time_seconds
        .unwrap_or(queue.settings.wait_secs.into());
    if !(0..=WAIT_SECS_MAX).contains(&wait_secs) {
        let reason = "Must be >= 0 and <= 20, if provided.";
        return Err(invalid_value(wait_secs, "WaitTimeSeconds", reason));
    }
    let timeout_secs = input.visibility_timeout;
    let secs_max = VISIBILITY_MAX.as_secs() as i64;
    if let Some(secs) = timeout_secs.filter(|secs| !(0..=secs_max).contains(secs)) {
        let reason = "Must be >= 0 and <= 43200, if provided.";
        return Err(invalid_value(secs, "VisibilityTimeout", reason));
    }
    let attempt = input.receive_request_attempt_id.clone();
    if let Some(attempt) = attempt.as_ref().filter(|_| !queue.is_fifo()) {
        return Err(wrong_kind(attempt, "ReceiveRequestAttemptId"));
    }
    check_id("ReceiveRequestAttemptId", attempt.as_deref())?;
    let ask = Receive {
        queue: queue.id.clone(),
        count_max: count_max as u32,
        // So few are no more than an answer may hold.
        bytes_max: usize::MAX,
        visibility_timeout: timeout_secs.map(|secs| Duration::from_secs(secs as u64)),
        attempt,
    };
    Ok((ask, Duration::from_secs(wait_secs as u64)))
}
