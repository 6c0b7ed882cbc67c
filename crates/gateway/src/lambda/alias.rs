//! Operations on aliases, and how what they point at is read and shown.

use kiln_types::alias::Share;
use kiln_types::{Alias, AliasConfig, Function, FunctionArn, Qualifier, Version};

use super::generated::{AliasConfiguration, AliasRoutingConfiguration};
use super::provisioned;
use super::refusal::{function_not_found, invalid, not_found};
use super::target::Target;
use crate::context::Context;
use crate::error::{ApiError, Result};

pub(crate) mod create_alias;
pub(crate) mod delete_alias;
pub(crate) mod get_alias;
pub(crate) mod list_aliases;
pub(crate) mod update_alias;

/// The function whose alias is meant, and the alias.
fn read(context: &Context, function: &str, name: &str) -> Result<(Target, Alias)> {
    let target = Target::read_unqualified(context, function)?;
    match name.parse() {
        Ok(alias) => Ok((target, alias)),
        Err(_) => Err(no_alias(&target.arn, name)),
    }
}

/// What an alias shall point at, when the function has it.
fn check(function: &Function, arn: &FunctionArn, name: &Alias, config: &AliasConfig) -> Result<()> {
    let shared = config.share.map(|share| Version::Published(share.version));
    if shared.is_some() && config.version == Version::Latest {
        return Err(invalid(
            "$LATEST is not supported for an alias pointing to more than 1 version",
        ));
    }
    if shared == Some(config.version) {
        let version = config.version;
        return Err(invalid(format!(
            "Invalid function version {version}. Function version {version} is already included in routing configuration."
        )));
    }
    for version in [Some(config.version), shared].into_iter().flatten() {
        if function.version(version).is_none() {
            return Err(function_not_found(format_args!("{arn}:{version}")));
        }
    }
    match function
        .provisioned
        .contains_key(&Qualifier::Alias(name.clone()))
    {
        true => provisioned::check_alias(function, name, config),
        false => Ok(()),
    }
}

fn read_version(arn: &FunctionArn, text: &str) -> Result<Version> {
    text.parse()
        .map_err(|_| function_not_found(format_args!("{arn}:{text}")))
}

/// An empty map takes the second version away.
fn read_share(
    arn: &FunctionArn,
    routing: Option<AliasRoutingConfiguration>,
) -> Result<Option<Share>> {
    let weights = routing.and_then(|routing| routing.additional_version_weights);
    let mut weights = weights.unwrap_or_default().into_iter();
    let Some((version, weight)) = weights.next() else {
        return Ok(None);
    };
    if weights.next().is_some() {
        return Err(invalid(
            "Number of items in AdditionalVersionWeights cannot be greater than 1",
        ));
    }
    match read_version(arn, &version)? {
        Version::Published(version) => Ok(Some(Share { version, weight })),
        Version::Latest => Err(invalid(
            "$LATEST is not supported for an alias pointing to more than 1 version",
        )),
    }
}

fn render(arn: &FunctionArn, name: &Alias, of: &AliasConfig) -> AliasConfiguration {
    let qualifier = Qualifier::Alias(name.clone());
    AliasConfiguration {
        alias_arn: Some(arn.clone().qualified(Some(qualifier)).to_string()),
        name: Some(name.to_string()),
        function_version: Some(of.version.to_string()),
        description: Some(of.description.clone()),
        routing_config: of.share.map(|share| AliasRoutingConfiguration {
            additional_version_weights: Some([(share.version.to_string(), share.weight)].into()),
        }),
        revision_id: Some(of.revision.to_string()),
    }
}

fn no_alias(arn: &FunctionArn, name: &str) -> ApiError {
    not_found(format!("Cannot find alias arn: {arn}:{name}"))
}
