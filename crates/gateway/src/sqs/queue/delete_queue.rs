//! `DeleteQueue`: forgets a queue and all that is in it, at once.

use crate::context::Context;
use crate::error::Result;
use crate::sqs::address;
use crate::sqs::generated::DeleteQueueRequest as Input;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let id = address::id(context, &input.queue_url)?;
    Ok(context.deps.store.messages().remove(&id).await?)
}
