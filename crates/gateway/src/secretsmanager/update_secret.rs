//! `UpdateSecret`: changes the words about a secret, and adds a version if it is told what that says.

use super::generated::{UpdateSecretRequest as Input, UpdateSecretResponse as Output};
use super::{find, named, value};
use crate::context::Context;
use crate::error::{ApiError, Result};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    if input.type_.is_some() {
        return Err(ApiError::not_implemented("managed external secrets (Type)"));
    }
    let secret = find(context, &input.secret_id)?;
    let says = value::read(input.secret_string, input.secret_binary)?;
    let version = says.map(|says| value::version(input.client_request_token, says, None));
    let version_id = version.as_ref().map(|version| version.id.clone());
    let (description, key, now) = (input.description, input.kms_key_id, context.now);
    let secrets = context.deps.store.secrets();
    let kept = secrets.update(&secret.id, version, now, move |secret| {
        if let Some(description) = description {
            secret.description = Some(description).filter(|text| !text.is_empty());
        }
        if let Some(key) = key {
            secret.key_id = Some(key).filter(|key| !key.is_empty());
        }
        secret.changed = now;
        Ok::<_, ApiError>(())
    });
    let kept = kept.await?;
    let (arn, name) = named(context, &kept);
    Ok(Output {
        arn,
        name,
        version_id,
    })
}
