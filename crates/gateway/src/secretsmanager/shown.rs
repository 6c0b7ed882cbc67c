//! How a secret is told.

use std::collections::BTreeMap;

use kiln_types::Secret;
use kiln_types::secret::SecretVersion;

use super::generated::{DescribeSecretResponse, SecretListEntry};
use super::tags;
use crate::context::Context;
use crate::wire::seconds;

/// All of a secret but what it says.
pub(super) fn secret(context: &Context, secret: &Secret) -> DescribeSecretResponse {
    DescribeSecretResponse {
        arn: Some(secret.arn(&context.config.region)),
        name: Some(secret.id.name.to_string()),
        description: secret.description.clone(),
        kms_key_id: secret.key_id.clone(),
        last_changed_date: Some(seconds(secret.changed)),
        last_accessed_date: secret.accessed.map(seconds),
        deleted_date: secret.deletion.map(|deletion| seconds(deletion.asked)),
        tags: tags::show(&secret.tags),
        version_ids_to_stages: labelled(secret),
        created_date: Some(seconds(secret.created)),
        ..Default::default()
    }
}

/// A secret in a list.
pub(super) fn entry(context: &Context, secret: &Secret) -> SecretListEntry {
    SecretListEntry {
        arn: Some(secret.arn(&context.config.region)),
        name: Some(secret.id.name.to_string()),
        description: secret.description.clone(),
        kms_key_id: secret.key_id.clone(),
        last_changed_date: Some(seconds(secret.changed)),
        last_accessed_date: secret.accessed.map(seconds),
        deleted_date: secret.deletion.map(|deletion| seconds(deletion.asked)),
        tags: tags::show(&secret.tags),
        secret_versions_to_stages: labelled(secret),
        created_date: Some(seconds(secret.created)),
        ..Default::default()
    }
}

/// The labels of a version, if it has any.
pub(super) fn labels(version: &SecretVersion) -> Option<Vec<String>> {
    let labels: Vec<String> = version.labels.iter().cloned().collect();
    (!labels.is_empty()).then_some(labels)
}

/// Versions that have labels, with those.
fn labelled(secret: &Secret) -> Option<BTreeMap<String, Vec<String>>> {
    let versions = secret.versions.iter();
    let labelled = versions.filter_map(|(id, version)| Some((id.clone(), labels(version)?)));
    let labelled: BTreeMap<String, Vec<String>> = labelled.collect();
    (!labelled.is_empty()).then_some(labelled)
}
