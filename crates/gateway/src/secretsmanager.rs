//! Secrets Manager, one file per operation.
//!
//! What several operations share stands beside them: [`value`] (what a secret is to say), [`filter`] and [`page`] (lists),
//! [`shown`] (how a secret is told) and [`refusal`] (AWS's words for what is refused). Which version has which label is decided in
//! `kiln_types::secret`.
//!
//! AWS differs: a secret is sealed by its account's own key, whatever key is named, which is kept and given back; secrets are of
//! the caller's own account and region only, are not replicated and do not rotate by themselves.

pub(crate) mod generated;

pub(crate) mod batch_get_secret_value;
pub(crate) mod create_secret;
pub(crate) mod delete_secret;
pub(crate) mod describe_secret;
pub(crate) mod get_random_password;
pub(crate) mod get_secret_value;
pub(crate) mod list_secret_version_ids;
pub(crate) mod list_secrets;
pub(crate) mod put_secret_value;
pub(crate) mod resource_policy;
pub(crate) mod restore_secret;
pub(crate) mod tag_resource;
pub(crate) mod untag_resource;
pub(crate) mod update_secret;
pub(crate) mod update_secret_version_stage;

mod filter;
mod needs;
mod page;
mod refusal;
mod shown;
mod tags;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;

use kiln_types::Secret;

use crate::context::Context;
use crate::error::Result;

pub(crate) use needs::to_read;

use resource_policy::{
    delete_resource_policy, get_resource_policy, put_resource_policy, validate_resource_policy,
};

crate::wire::dispatch! {
    BatchGetSecretValue => batch_get_secret_value::handle,
    CreateSecret => create_secret::handle,
    DeleteResourcePolicy => delete_resource_policy::handle,
    DeleteSecret => delete_secret::handle,
    DescribeSecret => describe_secret::handle,
    GetRandomPassword => get_random_password::handle,
    GetResourcePolicy => get_resource_policy::handle,
    GetSecretValue => get_secret_value::handle,
    ListSecretVersionIds => list_secret_version_ids::handle,
    ListSecrets => list_secrets::handle,
    PutResourcePolicy => put_resource_policy::handle,
    PutSecretValue => put_secret_value::handle,
    RestoreSecret => restore_secret::handle,
    TagResource => tag_resource::handle,
    UntagResource => untag_resource::handle,
    UpdateSecret => update_secret::handle,
    UpdateSecretVersionStage => update_secret_version_stage::handle,
    ValidateResourcePolicy => validate_resource_policy::handle,
}

/// The caller's secret that is called so, by its name or its ARN; also one that is to be deleted.
fn find(context: &Context, text: &str) -> Result<Arc<Secret>> {
    let (account, region) = (&context.caller.account, &context.config.region);
    let found = context.deps.store.secrets().find(account, region, text);
    found.ok_or_else(refusal::no_secret)
}

/// A secret's ARN and name, with which most answers begin.
fn named(context: &Context, secret: &Secret) -> (Option<String>, Option<String>) {
    let arn = secret.arn(&context.config.region);
    (Some(arn), Some(secret.id.name.to_string()))
}
