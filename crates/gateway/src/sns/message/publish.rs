//! `Publish`: publishes a message to a topic. When it is answered, the message is on disk at every subscriber's.

use kiln_invoke::fan_out::{Noticed, sequence_number};

use super::draft::Draft;
use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::sns::generated::{PublishInput as Input, PublishResponse as Output};
use crate::sns::refusal::{invalid_for, not_published};
use crate::sns::topic;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    if input.phone_number.is_some() {
        return Err(ApiError::not_implemented("text messages (PhoneNumber)"));
    }
    let arn = input.topic_arn.as_ref().or(input.target_arn.as_ref());
    let Some(arn) = arn else {
        let reason = "no value for required parameter";
        return Err(invalid_for("TopicArn or TargetArn", reason));
    };
    if arn.contains(":endpoint/") {
        return Err(ApiError::not_implemented(
            "endpoints of mobile applications",
        ));
    }
    let live = topic::find(context, arn)?;
    let notice = Draft::from(input).notice(context, &live.topic)?;
    let published = context
        .deps
        .fan_out
        .notify(&live.topic.id, vec![notice], context.now);
    let published = published.await.pop().expect("there is one for each");
    let Noticed { id, number } = published.map_err(|refusal| not_published(&refusal))?;
    Ok(Output {
        message_id: Some(id.to_string()),
        sequence_number: number.map(sequence_number),
    })
}
