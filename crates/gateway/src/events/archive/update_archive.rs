//! `UpdateArchive`: changes what an archive keeps from now on, and for how long; what is not given stays.

use super::{ENABLED, days, id, pattern, shown_arn};
use crate::context::Context;
use crate::error::Result;
use crate::events::generated::{UpdateArchiveRequest as Input, UpdateArchiveResponse as Output};
use crate::wire::seconds;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let id = id(context, &input.archive_name)?;
    let wanted = match &input.event_pattern {
        Some(_) => Some(pattern(input.event_pattern.clone())?),
        None => None,
    };
    let archives = context.deps.store.archives();
    let changed = archives.update(&id, move |archive| {
        if let Some(pattern) = wanted {
            archive.pattern = pattern;
        }
        if input.description.is_some() {
            archive.description = input.description;
        }
        if input.retention_days.is_some() {
            archive.retention_days = days(input.retention_days);
        }
        if input.kms_key_identifier.is_some() {
            archive.key = input.kms_key_identifier;
        }
    });
    let changed = changed.await?;
    Ok(Output {
        archive_arn: shown_arn(context, &changed),
        state: Some(ENABLED.to_owned()),
        state_reason: None,
        creation_time: Some(seconds(changed.created)),
    })
}
