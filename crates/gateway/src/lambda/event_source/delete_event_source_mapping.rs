//! `DeleteEventSourceMapping`: has a function hear no more of a source's events.
//!
//! The mapping is `Deleting` until what it made at its source is removed, and then gone.

use kiln_types::{Mapping, MappingState};

use super::{Doing, Shown as Output, check_at_rest, find, shown};
use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::lambda::generated::DeleteEventSourceMappingRequest as Input;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let id = find(context, &input.uuid)?;
    let now = context.now;
    let change = move |mapping: &mut Mapping| {
        check_at_rest(mapping, Doing::Delete)?;
        mapping.state = MappingState::Deleting;
        mapping.modified = now;
        mapping.revision += 1;
        Ok::<_, ApiError>(())
    };
    let deleting = context.deps.store.mappings().update(id, change).await?;
    Ok(shown::shown(context, &deleting))
}
