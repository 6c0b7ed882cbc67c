//! Roles: made, changed, removed.

use std::sync::Arc;

use super::users::check_tags;
use super::{Directory, add, find_mut};
use crate::iam::{EntityName, Kind, Quota, Refusal, Role, document_size};
use crate::limits::TRUST_POLICY_SIZE_MAX;

impl Directory {
    /// Takes a new role in. Its boundary must be there.
    pub fn add_role(&mut self, role: Role) -> Result<Arc<Role>, Refusal> {
        check_tags(&role.tags)?;
        check_trust(&role.trust)?;
        if let Some(boundary) = &role.boundary {
            self.check_attachable(boundary)?;
        }
        let name = role.name.clone();
        add(&mut self.roles, (Kind::Role, Quota::Roles), name, role)
    }

    /// Changes what people are told of a role and how long its sessions may last.
    pub fn describe_role(
        &mut self,
        name: &EntityName,
        description: Option<String>,
        session_secs_max: Option<u32>,
    ) -> Result<Arc<Role>, Refusal> {
        let role = find_mut(&mut self.roles, Kind::Role, name)?;
        if description.is_some() {
            role.description = description;
        }
        role.session_secs_max = session_secs_max.unwrap_or(role.session_secs_max);
        self.role(name).cloned()
    }

    /// Changes who may become a role.
    pub fn set_trust(&mut self, name: &EntityName, trust: String) -> Result<(), Refusal> {
        self.role(name)?;
        check_trust(&trust)?;
        find_mut(&mut self.roles, Kind::Role, name)?.trust = trust;
        Ok(())
    }

    /// Removes a role that has nothing any more.
    pub fn remove_role(&mut self, name: &EntityName) -> Result<(), Refusal> {
        self.role(name)?.grants.check_empty()?;
        self.roles.remove(name);
        Ok(())
    }
}

fn check_trust(document: &str) -> Result<(), Refusal> {
    match document_size(document) <= TRUST_POLICY_SIZE_MAX {
        true => Ok(()),
        false => Err(Refusal::TrustTooLarge),
    }
}
