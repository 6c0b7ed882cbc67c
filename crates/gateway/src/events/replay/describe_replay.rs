//! `DescribeReplay`: a replay, and how far it is.

use super::{id, no_replay, state};
use crate::context::Context;
use crate::error::Result;
use crate::events::generated::{
    DescribeReplayRequest as Input, DescribeReplayResponse as Output, ReplayDestination,
};
use crate::wire::seconds;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let id = id(context, &input.replay_name)?;
    let found = context.deps.store.archives().replays().get(&id).await?;
    let found = found.ok_or_else(|| no_replay(&id))?;
    let region = &context.config.region;
    let state = state(&found).to_owned();
    Ok(Output {
        replay_name: Some(found.id.name.to_string()),
        replay_arn: Some(found.id.arn(region)),
        description: found.description,
        state: Some(state),
        state_reason: found.reason,
        event_source_arn: Some(found.archive.arn(region)),
        destination: Some(ReplayDestination {
            arn: found.bus.arn(region).to_string(),
            filter_arns: (!found.rules.is_empty()).then_some(found.rules),
        }),
        event_start_time: Some(seconds(found.from)),
        event_end_time: Some(seconds(found.until)),
        event_last_replayed_time: found.last.map(seconds),
        replay_start_time: Some(seconds(found.started)),
        replay_end_time: found.ended.map(seconds),
    })
}
