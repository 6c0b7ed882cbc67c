//! `CancelReplay`: has a replay end that goes on; what it sent is sent.

use super::{id, state};
use crate::context::Context;
use crate::error::Result;
use crate::events::generated::{CancelReplayRequest as Input, CancelReplayResponse as Output};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let id = id(context, &input.replay_name)?;
    let replays = context.deps.store.archives().replays();
    let cancelled = replays.cancel(&id).await?;
    Ok(Output {
        replay_arn: Some(id.arn(&context.config.region)),
        state: Some(state(&cancelled).to_owned()),
        state_reason: None,
    })
}
