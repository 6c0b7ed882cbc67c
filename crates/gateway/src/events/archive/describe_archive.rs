//! `DescribeArchive`: an archive, and how much is in it.

use super::{ENABLED, id, no_archive, shown_arn};
use crate::context::Context;
use crate::error::Result;
use crate::events::generated::{
    DescribeArchiveRequest as Input, DescribeArchiveResponse as Output,
};
use crate::wire::seconds;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let id = id(context, &input.archive_name)?;
    let archives = context.deps.store.archives();
    let found = archives.get(&id).ok_or_else(|| no_archive(&id))?;
    let held = archives.held(&id).await?;
    Ok(Output {
        archive_arn: shown_arn(context, &found),
        archive_name: Some(found.id.name.to_string()),
        event_source_arn: Some(found.bus.arn(&context.config.region).to_string()),
        description: found.description.clone(),
        event_pattern: found.pattern.clone(),
        state: Some(ENABLED.to_owned()),
        state_reason: None,
        kms_key_identifier: found.key.clone(),
        retention_days: Some(found.retention_days.into()),
        size_bytes: Some(held.bytes as i64),
        event_count: Some(held.events as i64),
        creation_time: Some(seconds(found.created)),
    })
}
