//! Who is told of the end of what a function was to run: another function, or a queue.

use kiln_types::{Destination, FunctionArn, QueueArn};

use super::refusal::invalid;
use crate::context::Context;
use crate::error::Result;

/// Reads a destination for what this function runs. `told_of` says what that is and what else cannot be
/// told of it, where something else is named.
pub(super) fn read(
    context: &Context,
    of: &FunctionArn,
    text: &str,
    told_of: &str,
) -> Result<Destination> {
    let wrong = || invalid(format!("The destination ARN {text} is invalid."));
    match text.split(':').nth(2) {
        Some("lambda") => {}
        Some("sqs") => {
            let queue = queue(context, text).ok_or_else(wrong)?;
            return Ok(Destination::Queue(queue));
        }
        _ => {
            return Err(invalid(format!(
                "The destination {text} is not supported: Kiln tells functions and queues of {told_of} yet."
            )));
        }
    }
    let arn: FunctionArn = text.parse().map_err(|_| wrong())?;
    if arn.account != of.account || arn.region != of.region {
        return Err(wrong());
    }
    if arn.name == of.name {
        return Err(invalid(
            "You can't specify the function as a destination for itself.",
        ));
    }
    let function = context.deps.store.function(&arn.id()).ok_or_else(wrong)?;
    let version = function.version_of(arn.qualifier.as_ref());
    match version.and_then(|version| function.version(version)) {
        Some(_) => Ok(Destination::Function(arn)),
        None => Err(wrong()),
    }
}

/// A standard queue of the caller's that is there.
pub(super) fn queue(context: &Context, text: &str) -> Option<QueueArn> {
    let arn: QueueArn = text.parse().ok()?;
    let is_own = arn.queue.account == context.caller.account && arn.region == context.config.region;
    let is_there = context.deps.store.messages().get(&arn.queue).is_some();
    (is_own && is_there && !arn.queue.name.is_fifo()).then_some(arn)
}
