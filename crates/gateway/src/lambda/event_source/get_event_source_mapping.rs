//! `GetEventSourceMapping`: a mapping's settings, its state, and how its work went last.

use super::{Shown as Output, find, shown};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated::GetEventSourceMappingRequest as Input;
use crate::lambda::refusal::resource_not_found;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let id = find(context, &input.uuid)?;
    let mapping = context.deps.store.mappings().get(id);
    let mapping = mapping.ok_or_else(resource_not_found)?;
    Ok(shown::shown(context, &mapping))
}
