//! Operations on users.

use std::sync::Arc;

use kiln_types::AccountId;
use kiln_types::iam::{EntityName, Kind, Refusal, User};

use super::generated as wire;
use super::{boundary, directory, tag, time};
use crate::context::{Context, Identity};
use crate::error::{ApiError, Exception, Result};

pub(super) mod create_user;
pub(super) mod delete_user;
pub(super) mod get_user;
pub(super) mod list_users;
pub(super) mod update_user;

/// A user as lists show it.
pub(super) fn listed(account: &AccountId, user: &User) -> wire::User {
    wire::User {
        path: user.path.to_string(),
        user_name: user.name.to_string(),
        user_id: user.id.to_string(),
        arn: user.arn(account),
        create_date: time(user.created),
        ..wire::User::default()
    }
}

/// A user by itself, with its tags and what bounds it.
pub(super) fn shown(account: &AccountId, user: &User) -> wire::User {
    wire::User {
        permissions_boundary: user.boundary.as_ref().map(boundary::shown),
        tags: tag::shown(&user.tags),
        ..listed(account, user)
    }
}

/// Refuses a name that a key of the account's own has: such a key is shown as a user of its name.
fn refuse_taken(context: &Context, name: &EntityName) -> Result<()> {
    let own = context
        .deps
        .store
        .keys()
        .list_of(&context.caller.account, None);
    match own
        .iter()
        .any(|key| key.name.eq_ignore_ascii_case(name.as_str()))
    {
        true => Err(Refusal::Exists(Kind::User, name.clone()).into()),
        false => Ok(()),
    }
}

/// The user who calls; none when it is the account itself.
pub(super) fn calling(context: &Context) -> Result<Option<Arc<User>>> {
    match &context.caller.identity {
        Identity::Account => Ok(None),
        Identity::User(id) => match directory(context).user_by_id(id) {
            Some(user) => Ok(Some(user.clone())),
            None => Err(ApiError::internal()),
        },
        Identity::Role(_) | Identity::Nobody => {
            let message = "Must specify userName when calling with non-User credentials";
            Err(ApiError::new(Exception::Validation, message))
        }
    }
}
