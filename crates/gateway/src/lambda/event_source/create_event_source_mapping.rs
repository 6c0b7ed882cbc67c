//! `CreateEventSourceMapping`: has a function hear of a source's events.

use kiln_store::Error;
use kiln_types::mapping::NOTHING_PROCESSED;
use kiln_types::{Mapping, MappingId, MappingState};

use super::settings::Asked;
use super::{Shown as Output, settings, shown, source};
use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::lambda::generated::CreateEventSourceMappingRequest as Input;
use crate::lambda::tag;

pub(crate) async fn handle(context: &Context, mut input: Input) -> Result<Output> {
    let function = settings::function(context, &input.function_name)?;
    let source = source::read(context, &input)?;
    let asked = Asked::create(&mut input);
    let tags = input.tags.unwrap_or_default();
    tag::check_plain(&tags)?;
    let mut mapping = Mapping {
        id: MappingId::random(),
        account: context.caller.account.clone(),
        function,
        settings: settings::defaults(&source),
        source,
        is_enabled: asked.enabled.unwrap_or(true),
        state: MappingState::Creating,
        last_result: NOTHING_PROCESSED.to_owned(),
        has_made: false,
        modified: context.now,
        revision: 1,
        tags,
        kept: Default::default(),
    };
    asked.apply(context, &mut mapping)?;
    let created = context.deps.store.mappings().create(mapping.clone()).await;
    let created = created.map_err(|error| match error {
        Error::MappingExists(existing) => source::exists_already(&mapping, existing),
        other => ApiError::from(other),
    })?;
    Ok(shown::shown(context, &created))
}
