//! Managed policies of the account, their versions, and who uses them.

use std::collections::HashMap;
use std::sync::Arc;

use super::users::check_tags;
use super::{Directory, add, find_mut};
use crate::clock::Timestamp;
use crate::iam::{
    Grants, Kind, ManagedPolicy, PolicyArn, PolicyOwner, PolicyVersion, Quota, Refusal,
    document_size,
};
use crate::limits::MANAGED_POLICY_SIZE_MAX;

/// How often a managed policy is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Uses {
    /// Identities that it is attached to.
    pub attached: usize,
    /// Identities that it bounds.
    pub bounds: usize,
}

impl Directory {
    /// Takes a new policy in.
    pub fn add_policy(&mut self, policy: ManagedPolicy) -> Result<Arc<ManagedPolicy>, Refusal> {
        check_tags(&policy.tags)?;
        check_document(&policy.in_force().document)?;
        let name = policy.name.clone();
        add(
            &mut self.policies,
            (Kind::Policy, Quota::Policies),
            name,
            policy,
        )
    }

    /// Adds a version to a policy and returns its number; it may be in force at once.
    pub fn add_version(
        &mut self,
        arn: &PolicyArn,
        document: String,
        is_default: bool,
        now: Timestamp,
    ) -> Result<u32, Refusal> {
        let known = self.policy(arn)?;
        check_document(&document)?;
        Quota::Versions.check(known.versions.len() + 1)?;
        let policy = self.policy_mut(arn)?;
        let number = policy.latest + 1;
        let created = now;
        policy
            .versions
            .insert(number, PolicyVersion { document, created });
        (policy.latest, policy.updated) = (number, now);
        if is_default {
            policy.default = number;
        }
        Ok(number)
    }

    /// A version of a policy.
    pub fn version(&self, arn: &PolicyArn, number: u32) -> Result<&PolicyVersion, Refusal> {
        let found = self.policy(arn)?.versions.get(&number);
        found.ok_or_else(|| Refusal::NoVersion(arn.clone(), number))
    }

    /// Puts a version in force.
    pub fn set_default_version(
        &mut self,
        arn: &PolicyArn,
        number: u32,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.version(arn, number)?;
        let policy = self.policy_mut(arn)?;
        (policy.default, policy.updated) = (number, now);
        Ok(())
    }

    /// Removes a version that is not in force.
    pub fn remove_version(
        &mut self,
        arn: &PolicyArn,
        number: u32,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.version(arn, number)?;
        let policy = self.policy_mut(arn)?;
        if policy.default == number {
            return Err(Refusal::InForce);
        }
        policy.versions.remove(&number);
        policy.updated = now;
        Ok(())
    }

    /// Removes a policy that nobody uses any more and that has no version but the one in force.
    pub fn remove_policy(&mut self, arn: &PolicyArn) -> Result<(), Refusal> {
        let policy = self.policy(arn)?;
        if self.uses().contains_key(arn) {
            return Err(Refusal::InUse);
        }
        if policy.versions.len() > 1 {
            return Err(Refusal::HasVersions);
        }
        self.policies.remove(&arn.name);
        Ok(())
    }

    /// How often the policies are used that are used at all, AWS's own among them.
    pub fn uses(&self) -> HashMap<&PolicyArn, Uses> {
        let mut uses: HashMap<&PolicyArn, Uses> = HashMap::new();
        let of_users = self.users.values().map(|user| &user.grants);
        let of_groups = self.groups.values().map(|group| &group.grants);
        let of_roles = self.roles.values().map(|role| &role.grants);
        let all = of_users.chain(of_groups).chain(of_roles);
        for arn in all.flat_map(|grants: &Grants| &grants.attached) {
            uses.entry(arn).or_default().attached += 1;
        }
        let of_users = self
            .users
            .values()
            .filter_map(|user| user.boundary.as_ref());
        let of_roles = self
            .roles
            .values()
            .filter_map(|role| role.boundary.as_ref());
        for arn in of_users.chain(of_roles) {
            uses.entry(arn).or_default().bounds += 1;
        }
        uses
    }

    /// Refuses a policy that is not there. Of AWS's own the caller knows that it is.
    pub(super) fn check_attachable(&self, arn: &PolicyArn) -> Result<(), Refusal> {
        match arn.owner == PolicyOwner::Aws || self.policy(arn).is_ok() {
            true => Ok(()),
            false => Err(Refusal::NotAttachable(arn.clone())),
        }
    }

    pub(super) fn policy_mut(&mut self, arn: &PolicyArn) -> Result<&mut ManagedPolicy, Refusal> {
        self.policy(arn)?;
        find_mut(&mut self.policies, Kind::Policy, &arn.name)
    }
}

fn check_document(document: &str) -> Result<(), Refusal> {
    match document_size(document) <= MANAGED_POLICY_SIZE_MAX {
        true => Ok(()),
        false => Err(Refusal::DocumentTooLarge),
    }
}
