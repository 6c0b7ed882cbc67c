//! `SetQueueAttributes`: changes what is set of a queue.

use super::attributes;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::sqs::address;
use crate::sqs::generated::SetQueueAttributesRequest as Input;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let queue = address::queue(context, &input.queue_url)?;
    let given = input.attributes;
    if given.contains_key("FifoQueue") && queue.is_fifo() {
        let message = "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.";
        return Err(ApiError::new(Exception::InvalidAttributeValue, message));
    }
    let (of, id) = (context.clone(), queue.id.clone());
    let change = move |settings: &mut _, _: &mut _| attributes::apply(&of, &id, &given, settings);
    let messages = context.deps.store.messages();
    messages
        .update::<ApiError>(&queue.id, change, context.now)
        .await?;
    Ok(())
}
