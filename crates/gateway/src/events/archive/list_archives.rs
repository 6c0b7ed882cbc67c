//! `ListArchives`: the archives of the account, by name.

use super::ENABLED;
use crate::context::Context;
use crate::error::Result;
use crate::events::bus;
use crate::events::generated::{
    Archive as Shown, ListArchivesRequest as Input, ListArchivesResponse as Output,
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
            "At most one filter is allowed for ListArchives. Use either : State, EventSourceArn, or NamePrefix.",
        ));
    }
    let region = &context.config.region;
    let archives = context.deps.store.archives();
    let all = archives.list(&context.caller.account).into_iter();
    let found = all.filter(|archive| {
        let begins = |prefix: &String| archive.id.name.as_str().starts_with(prefix.as_str());
        let is_of = |arn: &String| archive.bus.arn(region).to_string() == *arn;
        input.name_prefix.as_ref().is_none_or(begins)
            && input.event_source_arn.as_ref().is_none_or(is_of)
            && input.state.as_ref().is_none_or(|state| state == ENABLED)
    });
    let page = bus::page(
        found.collect(),
        |archive| archive.id.name.as_str(),
        input.next_token.as_deref(),
        input.limit,
    )?;
    let mut shown = Vec::new();
    for archive in &page.items {
        let held = archives.held(&archive.id).await?;
        shown.push(Shown {
            archive_name: Some(archive.id.name.to_string()),
            event_source_arn: Some(archive.bus.arn(region).to_string()),
            state: Some(ENABLED.to_owned()),
            state_reason: None,
            retention_days: Some(archive.retention_days.into()),
            size_bytes: Some(held.bytes as i64),
            event_count: Some(held.events as i64),
            creation_time: Some(seconds(archive.created)),
        });
    }
    Ok(Output {
        archives: Some(shown),
        next_token: page.next_marker,
    })
}
