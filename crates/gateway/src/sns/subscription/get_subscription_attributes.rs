//! `GetSubscriptionAttributes`: all that is told of a subscription.

use super::{attributes, find};
use crate::context::Context;
use crate::error::Result;
use crate::sns::generated::{
    GetSubscriptionAttributesInput as Input, GetSubscriptionAttributesResponse as Output,
};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let found = find(context, &input.subscription_arn)?;
    Ok(Output {
        attributes: Some(attributes::shown(context, &found)),
    })
}
