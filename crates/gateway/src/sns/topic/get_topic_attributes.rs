//! `GetTopicAttributes`: all that is told of a topic.
//!
//! AWS differs: there is no `EffectiveDeliveryPolicy`, which is about HTTP endpoints.

use super::{attributes, find};
use crate::context::Context;
use crate::error::Result;
use crate::sns::generated::{
    GetTopicAttributesInput as Input, GetTopicAttributesResponse as Output,
};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let live = find(context, &input.topic_arn)?;
    Ok(Output {
        attributes: Some(attributes::shown(context, &live)),
    })
}
