//! `UntagResource`: takes tags from a secret.

use super::find;
use super::generated::UntagResourceRequest as Input;
use crate::context::Context;
use crate::error::{ApiError, Result};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let secret = find(context, &input.secret_id)?;
    let secrets = context.deps.store.secrets();
    let kept = secrets.update(&secret.id, None, context.now, move |secret| {
        secret.tags.retain(|key, _| !input.tag_keys.contains(key));
        Ok::<_, ApiError>(())
    });
    kept.await.map(|_| ())
}
