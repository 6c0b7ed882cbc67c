//! `StartReplay`: sends what is in an archive, of a range of time, to its bus once more.
//!
//! AWS differs: it sends what is in the archive when it begins, and in the order in which it happened; what functions make of it
//! at once is their affair.

use kiln_types::{ArchiveId, BusId, Replay, ReplayState, Timestamp, limits};

use super::{id, state};
use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::events::bus;
use crate::events::generated::{
    ReplayDestination, StartReplayRequest as Input, StartReplayResponse as Output,
};
use crate::events::refusal::{invalid, no_bus};
use crate::wire::seconds;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let archive = archive(context, &input.event_source_arn)?;
    let found = context.deps.store.archives().get(&archive);
    let found = found.ok_or_else(|| {
        wrong(
            "EventSourceArn",
            &format!("Archive {} does not exist.", archive.name),
        )
    })?;
    let (bus, rules) = destination(context, input.destination)?;
    if bus != found.bus {
        return Err(wrong(
            "Destination.Arn",
            "Cross event bus replay is not permitted.",
        ));
    }
    let [from, until] = [input.event_start_time, input.event_end_time]
        .map(|seconds| Timestamp::from_millis((seconds * 1_000.0) as i64));
    if from >= until {
        return Err(wrong(
            "EventEndTime",
            "EventStartTime must be before EventEndTime.",
        ));
    }
    let replay = Replay {
        id: id(context, &input.replay_name)?,
        archive,
        bus,
        rules,
        description: input.description,
        from,
        until,
        state: ReplayState::Starting,
        reason: None,
        last: None,
        started: context.now,
        ended: None,
    };
    let replays = context.deps.store.archives().replays();
    replays.start(replay.clone(), limits::REPLAYS_MAX).await?;
    Ok(Output {
        replay_arn: Some(replay.id.arn(&context.config.region)),
        state: Some(state(&replay).to_owned()),
        state_reason: None,
        replay_start_time: Some(seconds(replay.started)),
    })
}

/// Which archive an ARN means.
fn archive(context: &Context, arn: &str) -> Result<ArchiveId> {
    let not_one = || wrong("EventSourceArn", "Must contain an archive ARN.");
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", _, "events", region, account, resource] = parts[..] else {
        return Err(not_one());
    };
    let name = resource.strip_prefix("archive/").ok_or_else(not_one)?;
    let id = ArchiveId {
        account: account.parse().map_err(|_| not_one())?,
        name: name.parse().map_err(|_| not_one())?,
    };
    let is_own = id.account == context.caller.account && region == context.config.region.as_str();
    match is_own {
        true => Ok(id),
        // Whether others have such an archive is not told.
        false => Err(wrong(
            "EventSourceArn",
            &format!("Archive {name} does not exist."),
        )),
    }
}

fn destination(context: &Context, given: ReplayDestination) -> Result<(BusId, Vec<String>)> {
    if !given.arn.contains(":event-bus/") {
        return Err(wrong("Destination.Arn", "Must contain an event bus ARN."));
    }
    let bus = bus::named(context, Some(&given.arn))?;
    if context.deps.store.buses().get(&bus).is_none() {
        return Err(no_bus(&bus.name));
    }
    let rules = given.filter_arns.unwrap_or_default();
    let is_rule = |arn: &&String| arn.starts_with("arn:") && arn.contains(":rule/");
    match rules.iter().all(|arn| is_rule(&arn)) {
        true => Ok((bus, rules)),
        false => Err(wrong("Destination.FilterArns", "Must contain rule ARNs.")),
    }
}

fn wrong(parameter: &str, reason: &str) -> ApiError {
    invalid(format!(
        "Parameter {parameter} is not valid. Reason: {reason}"
    ))
}
