//! Who is told of records that are given up.

use kiln_types::{Destination, FunctionArn, Mapping};

use crate::context::Context;
use crate::error::Result;
use crate::lambda::event_invoke::queue;
use crate::lambda::generated as wire;
use crate::lambda::refusal::invalid;

/// Reads the destination of a mapping; an empty one is none.
pub(super) fn read(
    context: &Context,
    mapping: &Mapping,
    config: wire::DestinationConfig,
) -> Result<Option<Destination>> {
    let named = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    if config.on_success.is_some_and(|to| named(&to.destination)) {
        return Err(invalid(
            "Unsupported DestinationConfig parameter for given event source mapping type.",
        ));
    }
    let text = config.on_failure.and_then(|to| to.destination);
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let wrong = || invalid(format!("The destination ARN {text} is invalid."));
    match text.split(':').nth(2) {
        Some("lambda") => {}
        Some("sqs") => {
            let queue = queue(context, &text).ok_or_else(wrong)?;
            return Ok(Some(Destination::Queue(queue)));
        }
        _ => {
            return Err(invalid(format!(
                "The destination {text} is not supported: Kiln tells functions and queues of records that are given up, and no topics and buckets yet."
            )));
        }
    }
    let arn: FunctionArn = text.parse().map_err(|_| wrong())?;
    if arn.account != context.caller.account || arn.region != context.config.region {
        return Err(wrong());
    }
    if arn.name == mapping.function.name {
        return Err(invalid(
            "You can't specify the function as a destination for itself.",
        ));
    }
    let function = context.deps.store.function(&arn.id()).ok_or_else(wrong)?;
    let version = function.version_of(arn.qualifier.as_ref());
    match version.and_then(|version| function.version(version)) {
        Some(_) => Ok(Some(Destination::Function(arn))),
        None => Err(wrong()),
    }
}
