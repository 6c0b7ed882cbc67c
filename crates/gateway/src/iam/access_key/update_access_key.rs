//! `UpdateAccessKey`: switches a key on or off, at once.

use super::Owner;
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::UpdateAccessKeyRequest as Input;
use crate::iam::refusal::{invalid_input, no_key};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let owner = Owner::of(context, input.user_name.as_deref())?;
    let key = owner.key(context, &input.access_key_id)?;
    let is_active = match input.status.as_str() {
        "Active" => true,
        "Inactive" => false,
        _ => return Err(invalid_input("Keys are made Active or Inactive.")),
    };
    let changed = context.deps.store.keys().set_active(&key.id, is_active);
    changed.await?.map(|_| ()).ok_or_else(|| no_key(&key.id))
}
