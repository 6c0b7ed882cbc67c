//! The queue that gets a function's asynchronous events which were given up.
//!
//! AWS differs: it is a standard queue of the same account and region that is there when it is set; topics
//! are refused until Kiln has them.

use kiln_types::QueueArn;

use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::lambda::destination::queue;
use crate::lambda::generated as wire;
use crate::lambda::refusal::invalid;

/// The queue that a request names, if it says anything of one; an empty text is none.
pub(super) fn resolve(
    context: &Context,
    config: Option<wire::DeadLetterConfig>,
) -> Result<Option<Option<QueueArn>>> {
    let Some(config) = config else {
        return Ok(None);
    };
    let text = config.target_arn.unwrap_or_default();
    if text.is_empty() {
        return Ok(Some(None));
    }
    if text.split(':').nth(2) == Some("sns") {
        return Err(ApiError::not_implemented(
            "dead-letter topics (DeadLetterConfig)",
        ));
    }
    match queue(context, &text) {
        Some(queue) => Ok(Some(Some(queue))),
        None => Err(invalid(format!(
            "The dead-letter target {text} is invalid: it must be the ARN of a standard queue of this account that exists."
        ))),
    }
}

/// As the API shows it.
pub(super) fn render(queue: Option<&QueueArn>) -> Option<wire::DeadLetterConfig> {
    queue.map(|queue| wire::DeadLetterConfig {
        target_arn: Some(queue.to_string()),
    })
}
