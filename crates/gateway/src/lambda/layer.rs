//! Operations on layers, and layers as functions refer to them.
//!
//! AWS differs: a principal of an organisation (`OrganizationId`) is kept in the policy and matches nobody, because there are none.

use std::sync::Arc;

use kiln_types::policy::Principal;
use kiln_types::{LayerArn, LayerVersion, LayerVersionArn};

use super::refusal::{invalid, not_found, resource_not_found};
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};

pub(crate) mod add_layer_version_permission;
pub(crate) mod delete_layer_version;
pub(crate) mod get_layer_version;
pub(crate) mod get_layer_version_by_arn;
pub(crate) mod get_layer_version_policy;
pub(crate) mod list_layer_versions;
pub(crate) mod list_layers;
pub(crate) mod publish_layer_version;
pub(crate) mod remove_layer_version_permission;

pub(crate) mod attach;
mod compatible;
mod render;

/// What its policy may allow.
const USE: &str = "lambda:GetLayerVersion";

/// Reads the name of a layer, or its ARN.
fn read_layer(context: &Context, name: &str) -> Result<LayerArn> {
    if name.starts_with("arn:") {
        return name.parse().map_err(|_| resource_not_found());
    }
    Ok(LayerArn {
        region: context.config.region.clone(),
        account: context.caller.account.clone(),
        name: name.parse().map_err(|_| resource_not_found())?,
    })
}

/// Reads a layer's name, or its ARN, and the number of a version.
fn read_version(context: &Context, name: &str, version: i64) -> Result<LayerVersionArn> {
    let version = match u64::try_from(version) {
        Ok(version @ 1..) => version,
        _ => return Err(invalid("Layer Version Cannot be less than 1")),
    };
    let layer = read_layer(context, name)?;
    Ok(LayerVersionArn { layer, version })
}

/// The version of this ARN, when it exists and the caller may use it.
fn find(context: &Context, arn: &LayerVersionArn) -> Result<Option<Arc<LayerVersion>>> {
    let LayerVersionArn { layer, version } = arn;
    let layers = context.deps.store.layers();
    let found = layers.get(&layer.account, &layer.name, *version);
    let found = found.filter(|_| layer.region == context.config.region);
    let is_own = layer.account == context.caller.account;
    match found {
        Some(found) if may_use(context, &found) => Ok(Some(found)),
        None if is_own => Ok(None),
        // Whether others have it is not for the caller to know.
        _ => Err(ApiError::new(
            Exception::AccessDenied,
            format!(
                "User: {} is not authorized to perform: {USE} on resource: {arn} because no resource-based policy allows the {USE} action",
                context.caller.arn
            ),
        )),
    }
}

/// Whether the caller may use a layer version: its owner, and whom its policy names.
pub(crate) fn may_use(context: &Context, layer: &LayerVersion) -> bool {
    let caller = &context.caller.account;
    let root = format!("arn:aws:iam::{caller}:root");
    let is_meant = |principal: &Principal| match principal {
        Principal::Any => true,
        Principal::Aws(who) => *who == root || who == caller.as_str(),
        Principal::Service(_) => false,
    };
    let statements = &layer.policy.statements;
    layer.account == *caller
        || statements.iter().any(|statement| {
            statement.action == USE
                && statement.conditions.is_empty()
                && is_meant(&statement.principal)
        })
}

/// Reads a version whose policy the caller wants to see or change: one of its own.
fn read_own_version(context: &Context, name: &str, version: i64) -> Result<LayerVersionArn> {
    let arn = read_version(context, name, version)?;
    let is_own = arn.layer.account == context.caller.account;
    match find(context, &arn)? {
        Some(_) if is_own => Ok(arn),
        _ => Err(no_version(&arn)),
    }
}

fn no_version(arn: &LayerVersionArn) -> ApiError {
    not_found(format!("Layer version {arn} does not exist."))
}

/// Changes the policy of an own version.
async fn change_policy(
    context: &Context,
    arn: &LayerVersionArn,
    change: impl FnOnce(&mut LayerVersion) -> Result<()> + Send + 'static,
) -> Result<Arc<LayerVersion>> {
    let layers = context.deps.store.layers();
    let layer = &arn.layer;
    let changed = layers.update(&layer.account, &layer.name, arn.version, change);
    changed.await
}
