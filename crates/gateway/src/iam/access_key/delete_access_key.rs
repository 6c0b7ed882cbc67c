//! `DeleteAccessKey`: forgets a key, which is refused from then on.

use super::Owner;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::DeleteAccessKeyRequest as Input;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let owner = Owner::of(context, input.user_name.as_deref())?;
    let key = owner.key(context, &input.access_key_id)?;
    context.deps.store.keys().delete(&key.id).await?;
    Ok(())
}
