//! `PublishVersion`: keeps the present code and settings of `$LATEST` under a number.
//!
//! AWS differs: a version can be invoked as soon as it is published, unless it starts from a snapshot.

use super::render_published;
use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::lambda::function::change::check_revision;
use crate::lambda::function::configuration::code_sha256;
use crate::lambda::function::prepare::is_unfinished;
use crate::lambda::generated::{FunctionConfiguration as Output, PublishVersionRequest as Input};
use crate::lambda::refusal::{function_not_found, invalid, update_in_progress};
use crate::lambda::target::Target;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    if input.publish_to.is_some() {
        return Err(ApiError::not_implemented("PublishTo"));
    }
    let target = Target::read_unqualified(context, &input.function_name)?;
    target.any_function(context)?;
    let (id, arn) = (target.id(), target.arn.clone());
    let changed = context.deps.store.update_function(&id, move |function| {
        if is_unfinished(function) {
            return Err(update_in_progress(arn));
        }
        check_revision(function, input.revision_id.as_deref())?;
        let digest = code_sha256(&function.latest);
        if let Some(seen) = input.code_sha256.filter(|seen| *seen != digest) {
            return Err(invalid(format!(
                "CodeSHA256 ({seen}) is different from current CodeSHA256 in $LATEST ({digest}). Please try again with the CodeSHA256 in $LATEST."
            )));
        }
        function.publish(input.description);
        Ok(())
    });
    let function = changed.await?;
    let version = function.versions.get(&function.last_version);
    match version {
        Some(version) => Ok(render_published(&target.arn, version)),
        None => Err(function_not_found(&target.arn)),
    }
}
