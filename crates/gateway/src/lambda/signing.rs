//! Operations on code-signing configurations, and what they say of code that is deployed.
//!
//! AWS differs: the publishers are profiles that this server's administrator made known (`kiln signing-profiles`), each with a public
//! key; AWS Signer is not there. A package carries its signature in itself: see `docs/guide/code-signing.md`.

use std::collections::HashSet;
use std::sync::Arc;

use kiln_invoke::trust::{self, Flaw, Happened};
use kiln_store::{ArtifactError, Error as StoreError};
use kiln_types::function::Code;
use kiln_types::{
    AttachedLayer, CodeSigningConfig, Configuration, Function, FunctionArn, SigningPolicy,
};

use super::generated as wire;
use super::refusal::{invalid, not_found};
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::lambda::function::configuration::last_modified;

pub(crate) mod create_code_signing_config;
pub(crate) mod delete_code_signing_config;
pub(crate) mod delete_function_code_signing_config;
pub(crate) mod get_code_signing_config;
pub(crate) mod get_function_code_signing_config;
pub(crate) mod list_code_signing_configs;
pub(crate) mod list_functions_by_code_signing_config;
pub(crate) mod put_function_code_signing_config;
#[cfg(test)]
mod tests;
pub(crate) mod update_code_signing_config;

/// Publishers of a configuration.
const PUBLISHERS_MAX: usize = 20;

/// The id in a configuration's ARN, when it is one of this account and region.
fn id_of(context: &Context, arn: &str) -> Option<String> {
    arn.strip_prefix(&arn_of(context, "")).map(str::to_owned)
}

/// The ARN of the account's configuration with an id.
fn arn_of(context: &Context, id: &str) -> String {
    let (region, account) = (&context.config.region, &context.caller.account);
    format!("arn:aws:lambda:{region}:{account}:code-signing-config:{id}")
}

/// The configuration of this ARN.
pub(super) fn find(context: &Context, arn: &str) -> Result<Arc<CodeSigningConfig>> {
    let found = id_of(context, arn).and_then(|id| {
        let signing = context.deps.store.signing();
        signing.config(&context.caller.account, &id)
    });
    found.ok_or_else(|| no_config(arn))
}

fn no_config(arn: &str) -> ApiError {
    not_found(format!(
        "The Lambda code signing configuration {arn} can not be found."
    ))
}

/// The configuration that a function is to have.
pub(super) fn find_for_function(context: &Context, arn: &str) -> Result<Arc<CodeSigningConfig>> {
    find(context, arn).map_err(|_| no_config_for_function(arn))
}

/// The configuration that a function has. One whose configuration is gone is let nothing in: nobody knows what it asked.
pub(super) fn of_function(
    context: &Context,
    function: &Function,
) -> Result<Option<Arc<CodeSigningConfig>>> {
    let found = context.deps.store.signing().config_of(function);
    found.map_err(|error| match error {
        StoreError::NoCodeSigningConfig(id) => no_config_for_function(&arn_of(context, &id)),
        other => other.into(),
    })
}

/// The store's word for a function that was to get a configuration which went meanwhile, and others.
pub(super) fn not_given(arn: Option<&str>, error: StoreError) -> ApiError {
    match (error, arn) {
        (StoreError::NoCodeSigningConfig(_), Some(arn)) => no_config_for_function(arn),
        (other, _) => other.into(),
    }
}

fn no_config_for_function(arn: &str) -> ApiError {
    let message = format!(
        "The code signing configuration cannot be found. Check that the provided configuration is not deleted: {arn}."
    );
    ApiError::new(Exception::CodeSigningConfigNotFound, message)
}

/// The same of one that is to be created, and need not have one.
pub(super) fn find_named(
    context: &Context,
    arn: Option<&str>,
) -> Result<Option<Arc<CodeSigningConfig>>> {
    arn.map(|arn| find_for_function(context, arn)).transpose()
}

/// Checks who may publish.
fn publishers(allowed: wire::AllowedPublishers) -> Result<Vec<String>> {
    let mut arns = allowed.signing_profile_version_arns;
    let mut seen = HashSet::new();
    arns.retain(|arn| seen.insert(arn.clone()));
    if arns.is_empty() || arns.len() > PUBLISHERS_MAX {
        return Err(invalid(format!(
            "A code signing configuration has 1 to {PUBLISHERS_MAX} signing profiles."
        )));
    }
    let is_of_signer = |arn: &String| arn.split(':').nth(2) == Some("signer");
    match arns.iter().find(|arn| !is_of_signer(arn)) {
        Some(other) => Err(invalid(format!(
            "{other} is not the ARN of a signing profile's version."
        ))),
        None => Ok(arns),
    }
}

fn policy(policies: Option<wire::CodeSigningPolicies>) -> Option<SigningPolicy> {
    let named = policies?.untrusted_artifact_on_deployment?;
    Some(match named.as_str() {
        "Enforce" => SigningPolicy::Enforce,
        _ => SigningPolicy::Warn,
    })
}

fn render(context: &Context, of: &CodeSigningConfig) -> wire::CodeSigningConfig {
    wire::CodeSigningConfig {
        code_signing_config_id: of.id.clone(),
        code_signing_config_arn: of.arn(&context.config.region),
        description: Some(of.description.clone()),
        allowed_publishers: wire::AllowedPublishers {
            signing_profile_version_arns: of.publishers.clone(),
        },
        code_signing_policies: wire::CodeSigningPolicies {
            untrusted_artifact_on_deployment: Some(of.policy.as_str().to_owned()),
        },
        last_modified: last_modified(of.modified),
    }
}

/// What is to be deployed to a function.
pub(super) struct Deployment<'a> {
    /// Its code, where that is new.
    pub(super) code: Option<&'a Code>,
    /// Its layers, where they are named.
    pub(super) layers: Option<&'a [AttachedLayer]>,
}

/// Refuses a new function that its configuration does not let in. Nothing is asked of images.
pub(super) async fn check_new(
    context: &Context,
    config: Option<&CodeSigningConfig>,
    function: &FunctionArn,
    latest: &Configuration,
) -> Result<()> {
    if latest.container.is_some() {
        return Ok(());
    }
    let deployed = Deployment {
        code: Some(&latest.code),
        layers: Some(&latest.layers),
    };
    check(context, config, function, deployed).await
}

/// Refuses what the function's configuration does not let in; nothing is asked of a function without one.
pub(super) async fn check(
    context: &Context,
    config: Option<&CodeSigningConfig>,
    function: &FunctionArn,
    of: Deployment<'_>,
) -> Result<()> {
    let Some(config) = config else {
        return Ok(());
    };
    let name = function.name.as_str();
    let code = of.code.map(|code| (name.to_owned(), code));
    let layers = of.layers.unwrap_or_default().iter();
    let layers = layers.map(|layer| (layer.arn.to_string(), &layer.code));
    for (what, code) in code.into_iter().chain(layers) {
        let judged = trust::judge(&context.deps.store, config, &code.sha256, context.now);
        let Some(flaw) = judged.await.map_err(unusable)? else {
            continue;
        };
        if let Flaw::Broken(why) = &flaw {
            let message = format!(
                "Lambda cannot deploy the function. The code signature failed the integrity check: {what}: {why}."
            );
            return Err(ApiError::new(Exception::InvalidCodeSignature, message));
        }
        let why = format!("{what}: {flaw}");
        match config.policy {
            SigningPolicy::Warn => {
                trust::note(
                    &context.deps.store,
                    function,
                    Happened::DeployedUntrusted,
                    &why,
                )
                .await;
            }
            SigningPolicy::Enforce => return Err(untrusted(&what, &flaw)),
        }
    }
    Ok(())
}

/// AWS's words, and after them which of the checks failed.
fn untrusted(what: &str, flaw: &Flaw) -> ApiError {
    let message = format!(
        "Lambda cannot deploy the function. The function or layer might be signed using a signature that the client is not configured to accept. Check the provided signature for {what}: {flaw}."
    );
    ApiError::new(Exception::CodeVerificationFailed, message)
}

/// Who signed a package, for whoever asks later.
pub(super) async fn with_signer(context: &Context, mut code: Code) -> Result<Code> {
    let signer = trust::signer(&context.deps.store, &code.sha256);
    code.signer = signer.await.map_err(unusable)?;
    Ok(code)
}

/// The ARNs of a package's signer and of the act of signing.
pub(super) fn render_signer(code: &Code) -> (Option<String>, Option<String>) {
    let signer = code.signer.as_ref();
    signer
        .map(|signer| (signer.profile.to_string(), signer.job.clone()))
        .unzip()
}

fn unusable(error: ArtifactError) -> ApiError {
    tracing::error!(%error, "a package that is to be deployed cannot be used");
    match error {
        ArtifactError::NotIntact { .. } => ApiError::new(
            Exception::Service,
            format!("Kiln cannot use the code: {error}."),
        ),
        ArtifactError::Store(error) => error.into(),
        _ => ApiError::internal(),
    }
}
