//! `PurgeQueue`: forgets all that is in a queue.
//!
//! AWS differs: it is done when this returns, where AWS takes up to a minute in which no other may be
//! asked for.

use crate::context::Context;
use crate::error::Result;
use crate::sqs::address;
use crate::sqs::generated::PurgeQueueRequest as Input;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let id = address::id(context, &input.queue_url)?;
    Ok(context.deps.store.messages().purge(&id).await?)
}
