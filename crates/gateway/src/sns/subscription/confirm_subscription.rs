//! `ConfirmSubscription`: confirms what waits to be.
//!
//! AWS differs: functions and queues of the topic's own account need no confirmation, and nobody else can subscribe: no
//! token is one.

use super::super::refusal::invalid;
use super::super::topic;
use crate::context::Context;
use crate::error::Result;
use crate::sns::generated::{
    ConfirmSubscriptionInput as Input, ConfirmSubscriptionResponse as Output,
};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    topic::find(context, &input.topic_arn)?;
    Err(invalid("Token"))
}
