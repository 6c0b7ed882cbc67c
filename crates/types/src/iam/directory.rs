//! All identities of an account, and what may become of them.
//!
//! Invariants: a user is in groups that there are; a managed policy of the account that is attached or bounds somebody is there;
//! what is removed is named by nobody. Identities are shared: a change copies those that it alters, so that who has the value from
//! before can tell by their addresses which those are.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{EntityId, EntityName, Group, Kind, ManagedPolicy, PolicyArn, PolicyOwner, Quota};
use super::{Refusal, Role, User};
use crate::account::AccountId;

mod grants;
mod groups;
mod policies;
mod roles;
mod tags;
#[cfg(test)]
mod tests;
mod users;

pub use policies::Uses;

/// The identities of an account.
#[derive(Debug, Clone, PartialEq)]
pub struct Directory {
    account: AccountId,
    users: ByName<User>,
    groups: ByName<Group>,
    roles: ByName<Role>,
    policies: ByName<ManagedPolicy>,
    /// What users are called, by their ids.
    user_names: HashMap<EntityId, EntityName>,
}

/// One of them.
#[derive(Debug, Clone)]
pub enum Entity {
    /// A user.
    User(Arc<User>),
    /// A group.
    Group(Arc<Group>),
    /// A role.
    Role(Arc<Role>),
    /// A managed policy.
    Policy(Arc<ManagedPolicy>),
}

type ByName<T> = BTreeMap<EntityName, Arc<T>>;

impl Directory {
    /// That of an account without identities.
    pub fn new(account: AccountId) -> Self {
        Self {
            account,
            users: ByName::new(),
            groups: ByName::new(),
            roles: ByName::new(),
            policies: ByName::new(),
            user_names: HashMap::new(),
        }
    }

    /// Whose they are.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// A user.
    pub fn user(&self, name: &EntityName) -> Result<&Arc<User>, Refusal> {
        find(&self.users, Kind::User, name)
    }

    /// The user with an id.
    pub fn user_by_id(&self, id: &EntityId) -> Option<&Arc<User>> {
        self.users.get(self.user_names.get(id)?)
    }

    /// A group.
    pub fn group(&self, name: &EntityName) -> Result<&Arc<Group>, Refusal> {
        find(&self.groups, Kind::Group, name)
    }

    /// A role.
    pub fn role(&self, name: &EntityName) -> Result<&Arc<Role>, Refusal> {
        find(&self.roles, Kind::Role, name)
    }

    /// A managed policy of the account.
    pub fn policy(&self, arn: &PolicyArn) -> Result<&Arc<ManagedPolicy>, Refusal> {
        let is_own = arn.owner == PolicyOwner::Account(self.account.clone());
        let found = self.policies.get(&arn.name);
        let found = found.filter(|policy| is_own && policy.path == arn.path);
        found.ok_or_else(|| Refusal::NoPolicy(arn.clone()))
    }

    /// The users, by name.
    pub fn users(&self) -> impl ExactSizeIterator<Item = &Arc<User>> {
        self.users.values()
    }

    /// The groups, by name.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &Arc<Group>> {
        self.groups.values()
    }

    /// The roles, by name.
    pub fn roles(&self) -> impl ExactSizeIterator<Item = &Arc<Role>> {
        self.roles.values()
    }

    /// The account's managed policies, by name.
    pub fn policies(&self) -> impl ExactSizeIterator<Item = &Arc<ManagedPolicy>> {
        self.policies.values()
    }

    /// All of them.
    pub fn entities(&self) -> impl Iterator<Item = Entity> {
        let users = self.users.values().cloned().map(Entity::User);
        let groups = self.groups.values().cloned().map(Entity::Group);
        let roles = self.roles.values().cloned().map(Entity::Role);
        let policies = self.policies.values().cloned().map(Entity::Policy);
        users.chain(groups).chain(roles).chain(policies)
    }

    /// Takes one in as it was kept.
    pub fn restore(&mut self, entity: Entity) {
        match entity {
            Entity::User(user) => {
                self.user_names.insert(user.id.clone(), user.name.clone());
                self.users.insert(user.name.clone(), user);
            }
            Entity::Group(group) => {
                self.groups.insert(group.name.clone(), group);
            }
            Entity::Role(role) => {
                self.roles.insert(role.name.clone(), role);
            }
            Entity::Policy(policy) => {
                self.policies.insert(policy.name.clone(), policy);
            }
        }
    }
}

impl Entity {
    /// Names it for good.
    pub fn id(&self) -> &EntityId {
        match self {
            Entity::User(user) => &user.id,
            Entity::Group(group) => &group.id,
            Entity::Role(role) => &role.id,
            Entity::Policy(policy) => &policy.id,
        }
    }

    /// Whether it is the same one, unaltered.
    pub fn is_same(&self, other: &Entity) -> bool {
        match (self, other) {
            (Entity::User(one), Entity::User(other)) => Arc::ptr_eq(one, other),
            (Entity::Group(one), Entity::Group(other)) => Arc::ptr_eq(one, other),
            (Entity::Role(one), Entity::Role(other)) => Arc::ptr_eq(one, other),
            (Entity::Policy(one), Entity::Policy(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

fn find<'d, T>(all: &'d ByName<T>, kind: Kind, name: &EntityName) -> Result<&'d Arc<T>, Refusal> {
    all.get(name)
        .ok_or_else(|| Refusal::Missing(kind, name.to_string()))
}

fn find_mut<'d, T: Clone>(
    all: &'d mut ByName<T>,
    kind: Kind,
    name: &EntityName,
) -> Result<&'d mut T, Refusal> {
    let found = all.get_mut(name);
    found
        .map(Arc::make_mut)
        .ok_or_else(|| Refusal::Missing(kind, name.to_string()))
}

/// Lets `change` alter one that may get another name, and files it under that. Returns the name.
fn rename<T: Clone>(
    all: &mut ByName<T>,
    kind: Kind,
    name: &EntityName,
    new_name: Option<EntityName>,
    change: impl FnOnce(&mut T, EntityName),
) -> Result<EntityName, Refusal> {
    find(all, kind, name)?;
    let new_name = new_name.unwrap_or_else(|| name.clone());
    if new_name != *name && all.contains_key(&new_name) {
        return Err(Refusal::Exists(kind, new_name));
    }
    change(find_mut(all, kind, name)?, new_name.clone());
    if let Some(one) = all.remove(name) {
        all.insert(new_name.clone(), one);
    }
    Ok(new_name)
}

/// Puts a new one among the others.
fn add<T>(
    all: &mut ByName<T>,
    (kind, quota): (Kind, Quota),
    name: EntityName,
    one: T,
) -> Result<Arc<T>, Refusal> {
    if all.contains_key(&name) {
        return Err(Refusal::Exists(kind, name));
    }
    quota.check(all.len() + 1)?;
    let one = Arc::new(one);
    all.insert(name, one.clone());
    Ok(one)
}
