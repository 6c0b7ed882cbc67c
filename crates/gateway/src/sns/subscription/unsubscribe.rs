//! `Unsubscribe`: forgets a subscription. There may be none.
//!
//! AWS differs: who opens an `UnsubscribeURL` must sign the request.

use super::arn;
use crate::context::Context;
use crate::error::Result;
use crate::sns::generated::UnsubscribeInput as Input;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let arn = arn(context, &input.subscription_arn)?;
    let topics = context.deps.store.topics();
    topics.unsubscribe(&arn.topic.topic, arn.id).await?;
    Ok(())
}
