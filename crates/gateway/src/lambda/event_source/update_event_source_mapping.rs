//! `UpdateEventSourceMapping`: changes a mapping's settings, its function, or whether it listens.

use kiln_store::Error;
use kiln_types::{Mapping, MappingState};

use super::settings::Asked;
use super::{Doing, Shown as Output, check_at_rest, find, settings, shown, source};
use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::lambda::generated::UpdateEventSourceMappingRequest as Input;
use crate::lambda::refusal::resource_not_found;

pub(crate) async fn handle(context: &Context, mut input: Input) -> Result<Output> {
    let id = find(context, &input.uuid)?;
    let mappings = context.deps.store.mappings();
    let before = mappings.get(id).ok_or_else(resource_not_found)?;
    check_at_rest(&before, Doing::Update)?;
    let mut wanted = Mapping::clone(&before);
    if let Some(name) = &input.function_name {
        wanted.function = settings::function(context, name)?;
    }
    source::update(context, &mut wanted.source, &input)?;
    let asked = Asked::update(&mut input);
    wanted.is_enabled = asked.enabled.unwrap_or(before.is_enabled);
    asked.apply(context, &mut wanted)?;
    wanted.state = MappingState::after_change(before.is_enabled, wanted.is_enabled);
    wanted.modified = context.now;
    wanted.revision += 1;
    let change = {
        let wanted = wanted.clone();
        move |mapping: &mut Mapping| {
            check_at_rest(mapping, Doing::Update)?;
            let now = Mapping {
                last_result: std::mem::take(&mut mapping.last_result),
                has_made: mapping.has_made,
                ..wanted
            };
            *mapping = now;
            Ok(())
        }
    };
    let changed = mappings
        .update(id, change)
        .await
        .map_err(|refusal| match refusal {
            Refusal::Store(Error::MappingExists(existing)) => {
                source::exists_already(&wanted, existing)
            }
            Refusal::Store(error) => ApiError::from(error),
            Refusal::Api(error) => error,
        })?;
    Ok(shown::shown(context, &changed))
}

/// Why a mapping was not changed.
enum Refusal {
    Store(Error),
    Api(ApiError),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}
