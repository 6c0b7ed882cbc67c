//! How a secret is told.

use std::collections::BTreeMap;

use kiln_types::Secret;

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
        version_ids_to_stages: labels(secret),
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
        secret_versions_to_stages: labels(secret),
        created_date: Some(seconds(secret.created)),
        ..Default::default()
    }
}

/// Versions that have labels, with those.
fn labels(secret: &Secret) -> Option<BTreeMap<String, Vec<String>>> {
    let labelled = secret.versions.iter();
    let labelled = labelled.filter(|(_, version)| !version.labels.is_empty());
    let labels: BTreeMap<String, Vec<String>> = labelled
        .map(|(id, version)| (id.clone(), version.labels.iter().cloned().collect()))
        .collect();
    (!labels.is_empty()).then_some(labels)
}
