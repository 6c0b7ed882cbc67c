//! `GetQueueUrl`: the address of a queue, by its name.

use kiln_types::QueueId;

use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::sqs::address::url;
use crate::sqs::generated::{GetQueueUrlRequest as Input, GetQueueUrlResult as Output};
use crate::sqs::refusal::no_queue;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let account = &context.caller.account;
    let owner = input.queue_owner_aws_account_id;
    if owner.is_some_and(|owner| owner != account.as_str()) {
        return Err(ApiError::new(
            Exception::AccessDenied,
            "Access to the resource is denied.",
        ));
    }
    let id = QueueId {
        account: account.clone(),
        name: input.queue_name.parse().map_err(|_| no_queue())?,
    };
    let queue = context
        .deps
        .store
        .messages()
        .get(&id)
        .ok_or_else(no_queue)?;
    Ok(Output {
        queue_url: Some(url(context, &queue.id)),
    })
}
