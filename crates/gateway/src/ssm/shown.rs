//! How parameters are told.

use kiln_store::PastVersion;
use kiln_types::{Parameter, ParameterKind, ParameterTier};

use super::generated::{Parameter as Shown, ParameterHistory, ParameterMetadata};
use super::name::Selected;
use crate::context::Context;
use crate::error::Result;
use crate::wire::{SecretText, seconds};

/// Versions with what they say, in the order in which they are chosen.
pub(super) async fn read(
    context: &Context,
    selected: Vec<Selected>,
    decrypts: bool,
) -> Result<Vec<Shown>> {
    let wanted = selected.iter();
    let wanted = wanted.map(|selected| (selected.parameter.id.clone(), selected.version));
    let parameters = context.deps.store.parameters();
    let read = parameters.read(wanted.collect(), decrypts).await?;
    let shown = read.into_iter().map(|version| {
        let chosen = selected.iter().find(|selected| {
            selected.parameter.id == version.id && selected.version == version.number
        });
        let selector = chosen.and_then(|selected| selected.selector.clone());
        one(context, version, selector)
    });
    Ok(shown.collect())
}

fn one(context: &Context, read: PastVersion, selector: Option<String>) -> Shown {
    Shown {
        name: Some(read.id.name.to_string()),
        type_: Some(kind(read.version.kind)),
        value: Some(SecretText(read.value)),
        version: Some(read.number as i64),
        selector,
        source_result: None,
        last_modified_date: Some(seconds(read.version.modified)),
        arn: Some(read.id.arn(&context.config.region)),
        data_type: Some(read.version.data_type),
    }
}

/// A version in a parameter's history.
pub(super) fn past(parameter: &Parameter, read: PastVersion) -> ParameterHistory {
    let labels: Vec<String> = parameter
        .labels_of(read.number)
        .map(str::to_owned)
        .collect();
    let version = read.version;
    ParameterHistory {
        name: Some(read.id.name.to_string()),
        type_: Some(kind(version.kind)),
        key_id: version.key_id,
        last_modified_date: Some(seconds(version.modified)),
        last_modified_user: Some(version.by),
        description: version.description,
        value: Some(SecretText(read.value)),
        allowed_pattern: version.allowed_pattern,
        version: Some(read.number as i64),
        labels: Some(labels),
        tier: Some(tier(version.tier)),
        policies: Some(Vec::new()),
        data_type: Some(version.data_type),
    }
}

/// What is known of a parameter but what it says.
pub(super) fn metadata(context: &Context, parameter: &Parameter) -> ParameterMetadata {
    let version = &parameter.latest;
    ParameterMetadata {
        name: Some(parameter.id.name.to_string()),
        arn: Some(parameter.id.arn(&context.config.region)),
        type_: Some(kind(version.kind)),
        key_id: version.key_id.clone(),
        last_modified_date: Some(seconds(version.modified)),
        last_modified_user: Some(version.by.clone()),
        description: version.description.clone(),
        allowed_pattern: version.allowed_pattern.clone(),
        version: Some(parameter.version as i64),
        tier: Some(tier(version.tier)),
        policies: Some(Vec::new()),
        data_type: Some(version.data_type.clone()),
    }
}

/// AWS's name of a kind of text.
pub(super) fn kind(kind: ParameterKind) -> String {
    match kind {
        ParameterKind::Text => "String".to_owned(),
        ParameterKind::List => "StringList".to_owned(),
        ParameterKind::Secret => "SecureString".to_owned(),
    }
}

/// AWS's name of a tier.
pub(super) fn tier(tier: ParameterTier) -> String {
    match tier {
        ParameterTier::Standard => "Standard".to_owned(),
        ParameterTier::Advanced => "Advanced".to_owned(),
    }
}
