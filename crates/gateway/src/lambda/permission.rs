//! Operations on resource policies. Whom one lets in is asked in [`access`](crate::access).
//!
//! AWS differs: a policy has a revision of its own here, and the function's revision does not
//! change with it, because instances belong to a revision and need not be replaced when only the
//! policy changes. A caller who has not seen a policy yet may state the function's revision.

use kiln_types::limits::POLICY_BYTES_MAX;
use kiln_types::policy::ResourcePolicy;
use kiln_types::{Function, Qualifier, Version};

use super::refusal::{invalid, not_found, stale_revision};
use super::target::{Named, Target};
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};

pub(crate) mod add_permission;
pub(crate) mod delete_resource_policy;
pub(crate) mod get_policy;
pub(crate) mod get_resource_policy;
pub(crate) mod put_resource_policy;
pub(crate) mod remove_permission;

pub(crate) mod document;
mod resource;
mod statement;

/// The function, version or alias that a policy is for.
fn with_policy(context: &Context, target: &Target) -> Result<Named> {
    let qualifier = target.read_qualifier();
    if qualifier == Some(Some(Qualifier::Version(Version::Latest))) {
        return Err(invalid(
            "We currently do not support adding policies for $LATEST.",
        ));
    }
    let is_version = matches!(qualifier, None | Some(None | Some(Qualifier::Version(_))));
    let named = target.version(context);
    named.map_err(|refused| match is_version {
        true => refused,
        false => not_found(format!("Cannot find alias arn: {}", target.qualified_arn())),
    })
}

/// Refuses a caller who has not seen the latest policy.
fn check_revision(
    function: &Function,
    policy: Option<&ResourcePolicy>,
    revision: Option<&str>,
) -> Result<()> {
    let Some(revision) = revision else {
        return Ok(());
    };
    let latest = policy.map_or(function.latest.revision, |policy| policy.revision);
    match revision == latest.to_string() {
        true => Ok(()),
        false => Err(stale_revision("GetPolicy")),
    }
}

/// Whoever asks for the policy of what has none.
fn no_policy() -> ApiError {
    not_found("No policy is associated with the given resource.")
}

/// Refuses a policy that is too long.
fn check_length(policy: &ResourcePolicy) -> Result<()> {
    match document::policy_text(policy).len() {
        size if size > POLICY_BYTES_MAX => Err(ApiError::new(
            Exception::PolicyLengthExceeded,
            format!(
                "The final policy size ({size}) is bigger than the limit ({POLICY_BYTES_MAX})."
            ),
        )),
        _ => Ok(()),
    }
}
