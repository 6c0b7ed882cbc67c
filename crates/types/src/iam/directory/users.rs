//! Users: made, renamed, removed.

use std::sync::Arc;

use super::{Directory, add, rename};
use crate::iam::{EntityName, EntityPath, Kind, Quota, Refusal, Tags, User};

impl Directory {
    /// Takes a new user in. Its boundary must be there; it is in no group yet.
    pub fn add_user(&mut self, user: User) -> Result<Arc<User>, Refusal> {
        check_tags(&user.tags)?;
        if let Some(boundary) = &user.boundary {
            self.check_attachable(boundary)?;
        }
        let (id, name) = (user.id.clone(), user.name.clone());
        let user = add(
            &mut self.users,
            (Kind::User, Quota::Users),
            name.clone(),
            user,
        )?;
        self.user_names.insert(id, name);
        Ok(user)
    }

    /// Files a user elsewhere or calls it otherwise.
    pub fn move_user(
        &mut self,
        name: &EntityName,
        path: Option<EntityPath>,
        new_name: Option<EntityName>,
    ) -> Result<(), Refusal> {
        let id = self.user(name)?.id.clone();
        let change = |user: &mut User, new_name| {
            user.path = path.unwrap_or_else(|| user.path.clone());
            user.name = new_name;
        };
        let new_name = rename(&mut self.users, Kind::User, name, new_name, change)?;
        self.user_names.insert(id, new_name);
        Ok(())
    }

    /// Removes a user that has nothing any more. Whether it has keys is for the caller to know.
    pub fn remove_user(&mut self, name: &EntityName) -> Result<(), Refusal> {
        let user = self.user(name)?.clone();
        user.grants.check_empty()?;
        if !user.groups.is_empty() {
            return Err(Refusal::HasMembers);
        }
        self.users.remove(name);
        self.user_names.remove(&user.id);
        Ok(())
    }
}

pub(super) fn check_tags(tags: &Tags) -> Result<(), Refusal> {
    Quota::Tags.check(tags.len())
}
