//! How `$LATEST` is changed: not while a change is under way, not over an unseen one, and with a
//! new revision every time.

use std::sync::Arc;

use kiln_types::{Configuration, Function, RevisionId, UpdateStatus};

use super::prepare::{self, is_unfinished};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::refusal::{stale_revision, update_in_progress};
use crate::lambda::target::Target;

/// What becomes of `$LATEST` after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// It stays as it is.
    Keep,
    /// It is published as a version too.
    Publish,
}

/// Applies a change to the function's `$LATEST` and starts to make it ready.
pub(crate) async fn change_latest(
    context: &Context,
    target: &Target,
    revision: Option<String>,
    after: After,
    change: impl FnOnce(&mut Configuration) -> Result<()> + Send + 'static,
) -> Result<Arc<Function>> {
    let (arn, now) = (target.arn.clone(), context.now);
    let id = target.id();
    let changed = context.deps.store.update_function(&id, move |function| {
        if is_unfinished(function) {
            return Err(update_in_progress(arn));
        }
        check_revision(function, revision.as_deref())?;
        let latest = Arc::make_mut(&mut function.latest);
        change(latest)?;
        latest.revision = RevisionId::random();
        latest.modified = now;
        latest.update = UpdateStatus::InProgress;
        if after == After::Publish {
            function.publish(None);
        }
        Ok(())
    });
    let function = changed.await?;
    prepare::start(&context.deps, &function);
    Ok(function)
}

/// Refuses a caller who has not seen the latest revision.
pub(crate) fn check_revision(function: &Function, revision: Option<&str>) -> Result<()> {
    match revision {
        Some(revision) if revision != function.latest.revision.to_string() => {
            Err(stale_revision("GetFunction/GetAlias"))
        }
        _ => Ok(()),
    }
}
