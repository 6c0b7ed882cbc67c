//! `RestoreSecret`: has a secret stay that was to be deleted.

use super::generated::{RestoreSecretRequest as Input, RestoreSecretResponse as Output};
use super::{find, named};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let secret = find(context, &input.secret_id)?;
    let restored = context.deps.store.secrets().restore(&secret.id).await?;
    let (arn, name) = named(context, &restored);
    Ok(Output { arn, name })
}
