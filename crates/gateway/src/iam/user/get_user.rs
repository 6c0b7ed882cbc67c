//! `GetUser`: a user, by its name or by the keys of the request.
//!
//! AWS differs: keys that are the account's own are shown as `sts:GetCallerIdentity` shows them, by a user of their name.

use super::{calling, shown};
use crate::context::Context;
use crate::error::Result;
use crate::iam::generated::{GetUserRequest as Input, GetUserResponse as Output, User};
use crate::iam::{directory, name, time};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let account = &context.caller.account;
    let user = match &input.user_name {
        Some(text) => Some(directory(context).user(&name(text)?)?.clone()),
        None => calling(context)?,
    };
    Ok(Output {
        user: match user {
            Some(user) => shown(account, &user),
            None => of_account(context),
        },
    })
}

/// The account itself.
fn of_account(context: &Context) -> User {
    let caller = &context.caller;
    let key = context.deps.store.keys().get(&caller.access_key_id);
    let name = caller.arn.rsplit(['/', ':']).next().unwrap_or_default();
    User {
        path: "/".to_owned(),
        user_name: name.to_owned(),
        user_id: caller.user_id.clone(),
        arn: caller.arn.clone(),
        create_date: time(key.map(|key| key.created).unwrap_or_default()),
        ..User::default()
    }
}
