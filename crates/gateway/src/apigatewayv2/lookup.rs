//! Which API, and which part of it, a caller means.

use std::sync::Arc;

use kiln_types::{Api, ApiId, PartId, StageName};

use super::refusal::{no_api, not_found};
use crate::context::Context;
use crate::error::{ApiError, Result};

/// The caller's API of this id.
pub(crate) fn api(context: &Context, id: &str) -> Result<Arc<Api>> {
    let account = &context.caller.account;
    let known = id
        .parse()
        .ok()
        .and_then(|id| context.deps.store.apis().get(&id));
    known
        .filter(|api| api.account == *account)
        .ok_or_else(|| no_api(account, id))
}

/// Changes the caller's API of this id; what is refused is not kept.
pub(crate) async fn edit<T, F>(context: &Context, id: &str, change: F) -> Result<(Arc<Api>, T)>
where
    F: FnOnce(&mut Api) -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    let account = &context.caller.account;
    let known: ApiId = id.parse().map_err(|_| no_api(account, id))?;
    context
        .deps
        .store
        .apis()
        .update(account, &known, change)
        .await
}

/// A part's id; one that cannot be is nobody's.
pub(crate) fn part(kind: &str, id: &str) -> Result<PartId> {
    id.parse().map_err(|_| missing(kind, id))
}

/// A stage's name; one that cannot be is nobody's.
pub(crate) fn stage(name: &str) -> Result<StageName> {
    name.parse().map_err(|_| no_stage())
}

/// There is no such part.
pub(crate) fn missing(kind: &str, id: &str) -> ApiError {
    not_found(format!("Invalid {kind} identifier specified {id}"))
}

/// There is no such stage.
pub(crate) fn no_stage() -> ApiError {
    not_found("Invalid stage identifier specified")
}
