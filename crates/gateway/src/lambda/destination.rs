//! Who is told of the end of what a function was to run: another function, a queue, a topic, a bus or a
//! bucket.

use kiln_types::{BucketName, BusArn, Destination, FunctionArn, QueueArn, TopicArn};

use super::refusal::invalid;
use crate::context::Context;
use crate::error::Result;

/// Reads a destination for what this function runs.
pub(super) fn read(context: &Context, of: &FunctionArn, text: &str) -> Result<Destination> {
    let wrong = || invalid(format!("The destination ARN {text} is invalid."));
    match text.split(':').nth(2) {
        Some("lambda") => {}
        Some("sqs") => {
            let queue = queue(context, text).ok_or_else(wrong)?;
            return Ok(Destination::Queue(queue));
        }
        Some("sns") => {
            let topic = topic(context, text).ok_or_else(wrong)?;
            return Ok(Destination::Topic(topic));
        }
        Some("events") => {
            let bus = bus(context, text).ok_or_else(wrong)?;
            return Ok(Destination::Bus(bus));
        }
        Some("s3") => {
            let bucket = bucket(context, text).ok_or_else(wrong)?;
            return Ok(Destination::Bucket(bucket));
        }
        _ => return Err(wrong()),
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

/// A standard topic of the caller's that is there.
pub(super) fn topic(context: &Context, text: &str) -> Option<TopicArn> {
    let arn: TopicArn = text.parse().ok()?;
    let is_own = arn.topic.account == context.caller.account && arn.region == context.config.region;
    let is_there = context.deps.store.topics().get(&arn.topic).is_some();
    (is_own && is_there && !arn.topic.name.is_fifo()).then_some(arn)
}

/// A bus of the caller's that is there.
fn bus(context: &Context, text: &str) -> Option<BusArn> {
    let arn: BusArn = text.parse().ok()?;
    let is_own = arn.bus.account == context.caller.account && arn.region == context.config.region;
    let is_there = context.deps.store.buses().get(&arn.bus).is_some();
    (is_own && is_there).then_some(arn)
}

/// A bucket of the caller's that is there.
fn bucket(context: &Context, text: &str) -> Option<BucketName> {
    let name = BucketName::from_arn(text).ok()?;
    let bucket = context.deps.store.objects().bucket(&name)?;
    (bucket.account == context.caller.account).then_some(name)
}
