//! Operations on resource policies, and their evaluation.
//!
//! AWS differs: a policy has a revision of its own here, and the function's revision does not
//! change with it, because instances belong to a revision and need not be replaced when only the
//! policy changes. A caller who has not seen a policy yet may state the function's revision.

use std::sync::Arc;

use kiln_types::Function;

use super::refusal::{function_not_found, invalid, not_found, stale_revision};
use super::target::Target;
use crate::context::Context;
use crate::error::Result;

pub(crate) mod add_permission;
pub(crate) mod get_policy;
pub(crate) mod remove_permission;

mod document;
pub(crate) mod evaluate;
mod statement;

/// The function that a policy is for; versions and aliases with policies of their own do not
/// exist yet.
fn function_with_policy(context: &Context, target: &Target) -> Result<Arc<Function>> {
    match target.qualifier.as_deref() {
        None => target.function(context),
        Some("$LATEST") => Err(invalid(
            "We currently do not support adding policies for $LATEST.",
        )),
        Some(version) if version.bytes().all(|b| b.is_ascii_digit()) => {
            Err(function_not_found(target.qualified_arn()))
        }
        Some(_) => Err(not_found(format!(
            "Cannot find alias arn: {}",
            target.qualified_arn()
        ))),
    }
}

/// Refuses a caller who has not seen the latest policy.
fn check_revision(function: &Function, revision: Option<&str>, operation: &str) -> Result<()> {
    let Some(revision) = revision else {
        return Ok(());
    };
    let latest = match function.policy.statements.is_empty() {
        true => function.latest.revision,
        false => function.policy.revision,
    };
    match revision == latest.to_string() {
        true => Ok(()),
        false => Err(stale_revision(operation)),
    }
}
