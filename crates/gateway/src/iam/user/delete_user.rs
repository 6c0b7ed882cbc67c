//! `DeleteUser`: removes a user that has no keys, no policies and no groups any more.

use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::iam::generated::DeleteUserRequest as Input;
use crate::iam::name;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<()> {
    let identities = context.deps.store.identities();
    let account = &context.caller.account;
    let name = name(&input.user_name)?;
    identities.remove_user::<ApiError>(account, name).await
}
