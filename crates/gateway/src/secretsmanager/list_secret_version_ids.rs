//! `ListSecretVersionIds`: the versions of a secret, the oldest first.

use super::generated::{
    ListSecretVersionIdsRequest as Input, ListSecretVersionIdsResponse as Output,
    SecretVersionsListEntry,
};
use super::{find, named, page, shown};
use crate::context::Context;
use crate::error::Result;
use crate::page::{Order, size};
use crate::wire::seconds;

/// Versions of a page, at most.
const PAGE_MAX: usize = 100;
/// What AWS calls the key that nobody named.
const DEFAULT_KEY: &str = "DefaultEncryptionKey";

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let secret = find(context, &input.secret_id)?;
    let with_deprecated = input.include_deprecated == Some(true);
    let versions = secret.versions.iter();
    let versions = versions.filter(|(_, version)| with_deprecated || !version.labels.is_empty());
    let key = secret.key_id.as_deref().unwrap_or(DEFAULT_KEY);
    let shown = versions.map(|(id, version)| {
        let entry = SecretVersionsListEntry {
            version_id: Some(id.clone()),
            version_stages: shown::labels(version),
            last_accessed_date: version.accessed.map(seconds),
            created_date: Some(seconds(version.created)),
            kms_key_ids: Some(vec![key.to_owned()]),
        };
        (
            format!("{:020} {id}", version.created.as_millis().max(0)),
            entry,
        )
    });
    let (versions, next_token) = page::page(
        shown.collect(),
        Order::Ascending,
        input.next_token.as_deref(),
        size(input.max_results, PAGE_MAX),
    )?;
    let (arn, name) = named(context, &secret);
    Ok(Output {
        versions: Some(versions),
        next_token,
        arn,
        name,
    })
}
