//! `TagResource`: adds tags to a secret.

use super::generated::TagResourceRequest as Input;
use super::{find, tags};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let secret = find(context, &input.secret_id)?;
    let secrets = context.deps.store.secrets();
    let kept = secrets.update(&secret.id, None, context.now, |secret| {
        tags::add(&mut secret.tags, input.tags)
    });
    kept.await.map(|_| ())
}
