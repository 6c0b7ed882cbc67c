//! `ConfirmSubscription`: confirms what an HTTP endpoint was asked, by the token it was sent. Confirmed again it is answered
//! alike.
//!
//! A `SubscribeURL` is opened without a signature; with one, and `AuthenticateOnUnsubscribe`, only who signs may unsubscribe.

use kiln_types::{Confirmation, Subscription};

use super::super::refusal::invalid;
use super::super::topic;
use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::sns::generated::{
    ConfirmSubscriptionInput as Input, ConfirmSubscriptionResponse as Output,
};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let live = topic::find(context, &input.topic_arn)?;
    let wants = input.authenticate_on_unsubscribe.as_deref() == Some("true");
    let was_authenticated = wants && !context.caller.is_nobody();
    let token = input.token;
    let confirmed = context
        .deps
        .store
        .topics()
        .subscribe(&live.topic.id, move |all| {
            let found = all.iter().find(|one| is_of(one, &token)).cloned();
            let mut found = found.ok_or_else(|| invalid("Token"))?;
            if found.is_pending() {
                found.confirmation = Confirmation::Given {
                    token,
                    was_authenticated,
                };
            }
            Ok::<_, ApiError>(found)
        });
    let arn = confirmed.await?.arn(&context.config.region);
    Ok(Output {
        subscription_arn: Some(arn.to_string()),
    })
}

fn is_of(subscription: &Subscription, given: &str) -> bool {
    match &subscription.confirmation {
        Confirmation::Pending { token, .. } | Confirmation::Given { token, .. } => bool::from(
            subtle::ConstantTimeEq::ct_eq(token.as_bytes(), given.as_bytes()),
        ),
        Confirmation::NotNeeded => false,
    }
}
