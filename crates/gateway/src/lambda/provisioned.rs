//! Operations on provisioned concurrency: instances of a version that are kept ready, under the
//! version's number or an alias's name.

use std::sync::Arc;

use kiln_invoke::Readiness;
use kiln_types::function::ProvisionedConfig;
use kiln_types::{Alias, AliasConfig, Configuration, Function, Qualifier, Version};

use super::refusal::{conflict, invalid, not_found};
use super::target::Target;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::lambda::function::configuration::last_modified;

pub(crate) mod delete_provisioned_concurrency_config;
pub(crate) mod get_provisioned_concurrency_config;
pub(crate) mod list_provisioned_concurrency_configs;
pub(crate) mod put_provisioned_concurrency_config;

/// A published version or an alias that the caller named.
struct Named {
    target: Target,
    qualifier: Qualifier,
    function: Arc<Function>,
}

impl Named {
    fn read(context: &Context, name: &str, qualifier: &str) -> Result<Self> {
        let target = Target::read(context, name, Some(qualifier))?;
        let function = target.any_function(context)?;
        let qualifier = match target.read_qualifier() {
            Some(Some(Qualifier::Version(Version::Latest))) => return Err(unpublished()),
            Some(Some(qualifier @ Qualifier::Version(_))) => {
                target.version(context)?;
                qualifier
            }
            Some(Some(Qualifier::Alias(alias))) if function.aliases.contains_key(&alias) => {
                Qualifier::Alias(alias)
            }
            _ => {
                let arn = target.qualified_arn();
                return Err(not_found(format!("Cannot find alias arn: {arn}")));
            }
        };
        Ok(Self {
            target,
            qualifier,
            function,
        })
    }
}

/// Whether an alias may have instances kept ready while it points there.
pub(super) fn check_alias(function: &Function, name: &Alias, config: &AliasConfig) -> Result<()> {
    if config.version == Version::Latest {
        return Err(unpublished());
    }
    if config.share.is_some() {
        return Err(invalid(
            "Invalid alias configuration for Provisioned Concurrency",
        ));
    }
    let own = Qualifier::Alias(name.clone());
    let mut others = function.provisioned.keys().filter(|other| **other != own);
    if others.any(|other| function.version_of(Some(other)) == Some(config.version)) {
        return Err(conflict(
            "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
        ));
    }
    Ok(())
}

/// Whether a qualifier may have instances kept ready.
fn check(function: &Function, qualifier: &Qualifier) -> Result<()> {
    match qualifier {
        Qualifier::Alias(name) => match function.aliases.get(name) {
            Some(config) => check_alias(function, name, config),
            None => Err(super::refusal::resource_not_found()),
        },
        Qualifier::Version(version) => {
            let is_alias = |other: &&Qualifier| matches!(other, Qualifier::Alias(_));
            let mut aliases = function.provisioned.keys().filter(is_alias);
            match aliases.any(|alias| function.version_of(Some(alias)) == Some(*version)) {
                true => Err(conflict(
                    "Version is pointed by a Provisioned Concurrency alias",
                )),
                false => Ok(()),
            }
        }
    }
}

/// How far what was asked for is there.
struct Shown {
    requested: i64,
    ready: i64,
    status: &'static str,
    reason: Option<&'static str>,
    modified: String,
}

impl Shown {
    fn of(
        context: &Context,
        function: &Function,
        qualifier: &Qualifier,
        config: ProvisionedConfig,
    ) -> Self {
        let version = function.version_of(Some(qualifier));
        let configuration = version.and_then(|version| function.version(version));
        let told = |of: &Arc<Configuration>| context.deps.invoker.readiness(&function.id, of);
        let readiness = configuration.and_then(told).unwrap_or_default();
        let (status, reason) = status(config.count, readiness);
        Self {
            requested: config.count.into(),
            ready: readiness.ready.min(config.count).into(),
            status,
            reason,
            modified: last_modified(config.modified),
        }
    }
}

fn status(count: u32, readiness: Readiness) -> (&'static str, Option<&'static str>) {
    if readiness.ready >= count {
        ("READY", None)
    } else if readiness.failures > 0 {
        ("FAILED", Some("FUNCTION_ERROR_INIT_FAILURE"))
    } else if readiness.lacks_memory {
        // AWS has no word for a machine that is full.
        let reason =
            "The instances that run use all of the server's memory; more start as it becomes free.";
        ("FAILED", Some(reason))
    } else {
        ("IN_PROGRESS", None)
    }
}

fn no_config() -> ApiError {
    ApiError::new(
        Exception::ProvisionedConcurrencyConfigNotFound,
        "No Provisioned Concurrency Config found for this function",
    )
}

fn unpublished() -> ApiError {
    invalid("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
}

#[cfg(test)]
mod tests;
