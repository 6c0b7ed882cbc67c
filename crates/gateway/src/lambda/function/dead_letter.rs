//! The queue or the topic that gets a function's asynchronous events which were given up.
//!
//! AWS differs: it is a standard one of the same account and region that is there when it is set.

use kiln_types::Destination;

use crate::context::Context;
use crate::error::Result;
use crate::lambda::destination::{queue, topic};
use crate::lambda::generated as wire;
use crate::lambda::refusal::invalid;

/// What a request names, if it says anything of one; an empty text is none.
pub(super) fn resolve(
    context: &Context,
    config: Option<wire::DeadLetterConfig>,
) -> Result<Option<Option<Destination>>> {
    let Some(config) = config else {
        return Ok(None);
    };
    let text = config.target_arn.unwrap_or_default();
    if text.is_empty() {
        return Ok(Some(None));
    }
    let found = match text.split(':').nth(2) {
        Some("sns") => topic(context, &text).map(Destination::Topic),
        _ => queue(context, &text).map(Destination::Queue),
    };
    match found {
        Some(found) => Ok(Some(Some(found))),
        None => Err(invalid(format!(
            "The dead-letter target {text} is invalid: it must be the ARN of a standard queue or topic of this account that exists."
        ))),
    }
}

/// As the API shows it.
pub(super) fn render(to: Option<&Destination>) -> Option<wire::DeadLetterConfig> {
    to.map(|to| wire::DeadLetterConfig {
        target_arn: Some(to.to_string()),
    })
}
