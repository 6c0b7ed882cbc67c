//! Groups, and who is in them.

use std::sync::Arc;

use super::{Directory, add, find_mut, rename};
use crate::iam::{EntityName, EntityPath, Group, Kind, Quota, Refusal, User};

impl Directory {
    /// Takes a new group in.
    pub fn add_group(&mut self, group: Group) -> Result<Arc<Group>, Refusal> {
        let name = group.name.clone();
        add(&mut self.groups, (Kind::Group, Quota::Groups), name, group)
    }

    /// Files a group elsewhere or calls it otherwise; its users stay in it.
    pub fn move_group(
        &mut self,
        name: &EntityName,
        path: Option<EntityPath>,
        new_name: Option<EntityName>,
    ) -> Result<(), Refusal> {
        let change = |group: &mut Group, new_name| {
            group.path = path.unwrap_or_else(|| group.path.clone());
            group.name = new_name;
        };
        let new_name = rename(&mut self.groups, Kind::Group, name, new_name, change)?;
        for user in self.users.values_mut() {
            if user.groups.contains(name) {
                let user = Arc::make_mut(user);
                user.groups.remove(name);
                user.groups.insert(new_name.clone());
            }
        }
        Ok(())
    }

    /// Removes a group that has nothing and nobody any more.
    pub fn remove_group(&mut self, name: &EntityName) -> Result<(), Refusal> {
        let group = self.group(name)?;
        if self.members(name).next().is_some() {
            return Err(Refusal::HasMembers);
        }
        group.grants.check_empty()?;
        self.groups.remove(name);
        Ok(())
    }

    /// The users of a group, by name.
    pub fn members(&self, group: &EntityName) -> impl Iterator<Item = &Arc<User>> {
        let is_member = |user: &&Arc<User>| user.groups.contains(group);
        self.users.values().filter(is_member)
    }

    /// Puts a user into a group; it may be there already.
    pub fn join(&mut self, user: &EntityName, group: &EntityName) -> Result<(), Refusal> {
        let group = self.group(group)?.name.clone();
        let mut groups = self.user(user)?.groups.clone();
        groups.insert(group);
        Quota::GroupsOfUser.check(groups.len())?;
        find_mut(&mut self.users, Kind::User, user)?.groups = groups;
        Ok(())
    }

    /// Takes a user out of a group.
    pub fn leave(&mut self, user: &EntityName, group: &EntityName) -> Result<(), Refusal> {
        self.group(group)?;
        if !self.user(user)?.groups.contains(group) {
            let (user, group) = (user.clone(), group.clone());
            return Err(Refusal::NotInGroup { user, group });
        }
        let user = find_mut(&mut self.users, Kind::User, user)?;
        user.groups.remove(group);
        Ok(())
    }
}
