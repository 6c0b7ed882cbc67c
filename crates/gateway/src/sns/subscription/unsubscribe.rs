//! `Unsubscribe`: forgets a subscription. There may be none.
//!
//! Who opens an `UnsubscribeURL` need not sign where an HTTP endpoint confirmed without `AuthenticateOnUnsubscribe`.
//! AWS differs: for other subscriptions it must be signed, and the endpoint is not told (`UnsubscribeConfirmation`).

use kiln_types::Confirmation;

use super::arn;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::sns::generated::UnsubscribeInput as Input;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let arn = arn(context, &input.subscription_arn)?;
    let topics = context.deps.store.topics();
    if context.caller.is_nobody() {
        let live = topics.get(&arn.topic.topic);
        let found = live.and_then(|live| live.subscriptions.get(&arn.id).cloned());
        let is_open = found.is_none_or(|found| match found.confirmation {
            Confirmation::Given {
                was_authenticated, ..
            } => !was_authenticated,
            Confirmation::NotNeeded | Confirmation::Pending { .. } => false,
        });
        if !is_open {
            let message = "This subscription ends only by a signed request.";
            return Err(ApiError::new(Exception::AccessDenied, message));
        }
    }
    topics.unsubscribe(&arn.topic.topic, arn.id).await?;
    Ok(())
}
