//! `ListReplays`: the replays of the account, by name.

use super::state;
use crate::context::Context;
use crate::error::Result;
use crate::events::bus;
use crate::events::generated::{
    ListReplaysRequest as Input, ListReplaysResponse as Output, Replay as Shown,
};
use crate::events::refusal::invalid;
use crate::wire::seconds;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let filters = [
        input.name_prefix.is_some(),
        input.event_source_arn.is_some(),
        input.state.is_some(),
    ];
    if filters.iter().filter(|is_given| **is_given).count() > 1 {
        return Err(invalid(
            "At most one filter is allowed for ListReplays. Use either : State, EventSourceArn, or NamePrefix.",
        ));
    }
    let region = &context.config.region;
    let replays = context.deps.store.archives().replays();
    let all = replays.list(&context.caller.account).await?.into_iter();
    let found = all.filter(|replay| {
        let begins = |prefix: &String| replay.id.name.as_str().starts_with(prefix.as_str());
        let is_of = |arn: &String| replay.archive.arn(region) == *arn;
        input.name_prefix.as_ref().is_none_or(begins)
            && input.event_source_arn.as_ref().is_none_or(is_of)
            && input
                .state
                .as_ref()
                .is_none_or(|wanted| wanted == state(replay))
    });
    let page = bus::page(
        found.collect(),
        |replay| replay.id.name.as_str(),
        input.next_token.as_deref(),
        input.limit,
    )?;
    let shown = page.items.iter().map(|replay| Shown {
        replay_name: Some(replay.id.name.to_string()),
        event_source_arn: Some(replay.archive.arn(region)),
        state: Some(state(replay).to_owned()),
        state_reason: replay.reason.clone(),
        event_start_time: Some(seconds(replay.from)),
        event_end_time: Some(seconds(replay.until)),
        event_last_replayed_time: replay.last.map(seconds),
        replay_start_time: Some(seconds(replay.started)),
        replay_end_time: replay.ended.map(seconds),
    });
    Ok(Output {
        replays: Some(shown.collect()),
        next_token: page.next_marker,
    })
}
