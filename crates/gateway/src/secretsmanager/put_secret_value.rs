//! `PutSecretValue`: adds a version.
//!
//! AWS differs: tokens of rotations across accounts are refused.

use super::generated::{PutSecretValueRequest as Input, PutSecretValueResponse as Output};
use super::refusal::not_now;
use super::{find, named, shown, value};
use crate::context::Context;
use crate::error::{ApiError, Result};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    if input.rotation_token.is_some() {
        return Err(ApiError::not_implemented(
            "rotation across accounts (RotationToken)",
        ));
    }
    let secret = find(context, &input.secret_id)?;
    let says = value::read(input.secret_string, input.secret_binary)?;
    let says =
        says.ok_or_else(|| not_now("You must provide either SecretString or SecretBinary."))?;
    let labels = input
        .version_stages
        .map(|labels| labels.into_iter().collect());
    let version = value::version(input.client_request_token, says, labels);
    let (id, secrets) = (version.id.clone(), context.deps.store.secrets());
    let kept = secrets.update(&secret.id, Some(version), context.now, |_| {
        Ok::<_, ApiError>(())
    });
    let kept = kept.await?;
    let (arn, name) = named(context, &kept);
    let labels = kept.versions.get(&id).and_then(shown::labels);
    Ok(Output {
        arn,
        name,
        version_id: Some(id),
        version_stages: labels,
    })
}
