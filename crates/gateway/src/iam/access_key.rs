//! Operations on access keys: of a user, or of the account itself where no user is named and its own keys sign.

use std::sync::Arc;

use kiln_store::{ADMINISTRATOR, AccessKey};
use kiln_types::iam::{EntityId, User};

use super::refusal::no_key;
use super::{directory, name, user};
use crate::context::Context;
use crate::error::Result;

pub(super) mod create_access_key;
pub(super) mod delete_access_key;
pub(super) mod get_access_key_last_used;
pub(super) mod list_access_keys;
pub(super) mod update_access_key;

/// Whose keys they are.
struct Owner(Option<Arc<User>>);

impl Owner {
    /// The named user, or whoever calls.
    fn of(context: &Context, named: Option<&str>) -> Result<Self> {
        match named {
            Some(text) => Ok(Self(Some(directory(context).user(&name(text)?)?.clone()))),
            None => user::calling(context).map(Self),
        }
    }

    fn id(&self) -> Option<&EntityId> {
        self.0.as_ref().map(|user| &user.id)
    }

    /// What the user is called, if it is one.
    fn user_name(&self) -> Option<String> {
        self.0.as_ref().map(|user| user.name.to_string())
    }

    /// What a new key is called: as its user is, or the key that makes it, or where none does as the first one.
    fn key_name(&self, context: &Context) -> String {
        let own = context.deps.store.keys().get(&context.caller.access_key_id);
        let own = || own.map_or_else(|| ADMINISTRATOR.to_owned(), |key| key.name.clone());
        self.user_name().unwrap_or_else(own)
    }

    /// One of its keys.
    fn key(&self, context: &Context, id: &str) -> Result<Arc<AccessKey>> {
        let found = context.deps.store.keys().get(id);
        let is_own = |key: &Arc<AccessKey>| {
            key.account == context.caller.account && key.user.as_ref() == self.id()
        };
        found.filter(is_own).ok_or_else(|| no_key(id))
    }
}

fn status(key: &AccessKey) -> String {
    match key.active {
        true => "Active".to_owned(),
        false => "Inactive".to_owned(),
    }
}
