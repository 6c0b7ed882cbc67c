//! `CreateArchive`: has what is put on a bus kept, from now on.
//!
//! AWS differs: a key is kept and given back and nothing is done with it.

use kiln_types::{Archive, limits};

use super::{ENABLED, days, id, pattern, shown_arn};
use crate::context::Context;
use crate::error::Result;
use crate::events::bus;
use crate::events::generated::{CreateArchiveRequest as Input, CreateArchiveResponse as Output};
use crate::events::refusal::no_bus;
use crate::wire::seconds;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let bus = bus::named(context, Some(&input.event_source_arn))?;
    if context.deps.store.buses().get(&bus).is_none() {
        return Err(no_bus(&bus.name));
    }
    let made = Archive {
        id: id(context, &input.archive_name)?,
        bus,
        description: input.description,
        pattern: pattern(input.event_pattern)?,
        retention_days: days(input.retention_days),
        key: input.kms_key_identifier,
        created: context.now,
    };
    let archives = context.deps.store.archives();
    archives.create(made.clone(), limits::ARCHIVES_MAX).await?;
    Ok(Output {
        archive_arn: shown_arn(context, &made),
        state: Some(ENABLED.to_owned()),
        state_reason: None,
        creation_time: Some(seconds(made.created)),
    })
}
