//! `CreateAccessKey`: makes a key, good at once. Its secret is shown here and never again.

use super::{Owner, status};
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{
    AccessKey, CreateAccessKeyRequest as Input, CreateAccessKeyResponse as Output,
};
use crate::iam::time;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let owner = Owner::of(context, input.user_name.as_deref())?;
    let name = owner.key_name(context);
    let (keys, account) = (context.deps.store.keys(), &context.caller.account);
    let key = keys.create_of(account, owner.id(), &name).await?;
    Ok(Output {
        access_key: AccessKey {
            user_name: name,
            access_key_id: key.id.clone(),
            status: status(&key),
            secret_access_key: key.secret.clone(),
            create_date: Some(time(key.created)),
        },
    })
}
