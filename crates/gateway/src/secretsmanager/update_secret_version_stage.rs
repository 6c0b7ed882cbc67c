//! `UpdateSecretVersionStage`: moves a label from a version to another, or takes it away.

use super::generated::{
    UpdateSecretVersionStageRequest as Input, UpdateSecretVersionStageResponse as Output,
};
use super::refusal::invalid;
use super::{find, named};
use crate::context::Context;
use crate::error::{ApiError, Result};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let (from, to) = (input.remove_from_version_id, input.move_to_version_id);
    if from.is_none() && to.is_none() {
        return Err(invalid(
            "You must specify MoveToVersionId, RemoveFromVersionId, or both.",
        ));
    }
    let secret = find(context, &input.secret_id)?;
    let (label, now) = (input.version_stage, context.now);
    let secrets = context.deps.store.secrets();
    let kept = secrets.update(&secret.id, None, now, move |secret| {
        let moved = secret.move_label(&label, from.as_deref(), to.as_deref(), now);
        moved.map_err(ApiError::from)
    });
    let kept = kept.await?;
    let (arn, name) = named(context, &kept);
    Ok(Output { arn, name })
}
