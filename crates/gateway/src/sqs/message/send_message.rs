//! `SendMessage`: puts a message into a queue; it is on disk when this returns.

use super::draft::{Draft, sequence_number_of};
use crate::context::Context;
use crate::error::Result;
use crate::sqs::address;
use crate::sqs::generated::{SendMessageRequest as Input, SendMessageResult as Output};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let queue = address::queue(context, &input.queue_url)?;
    let (message, digests) = Draft::from(input).message(context, &queue)?;
    let messages = context.deps.store.messages();
    let mut sent = messages.send(vec![message], context.now).await?;
    let sent = sent.remove(0)?;
    Ok(Output {
        sequence_number: sequence_number_of(&sent),
        message_id: Some(sent.id.to_string()),
        md5_of_message_body: Some(digests.body),
        md5_of_message_attributes: digests.attributes,
        md5_of_message_system_attributes: digests.system_attributes,
    })
}
