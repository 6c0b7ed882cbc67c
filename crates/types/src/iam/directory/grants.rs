//! Who has which policies, and what bounds whom.

use super::{Directory, find_mut};
use crate::iam::{
    Bounded, EntityName, Grants, Holder, Kind, PolicyArn, Quota, Refusal, document_size,
};

impl Directory {
    /// The policies of somebody.
    pub fn grants(&self, holder: &Holder) -> Result<&Grants, Refusal> {
        Ok(match holder {
            Holder::User(name) => &self.user(name)?.grants,
            Holder::Group(name) => &self.group(name)?.grants,
            Holder::Role(name) => &self.role(name)?.grants,
        })
    }

    /// What somebody is called, as it was given.
    pub fn spelled(&self, holder: &Holder) -> Result<&EntityName, Refusal> {
        Ok(match holder {
            Holder::User(name) => &self.user(name)?.name,
            Holder::Group(name) => &self.group(name)?.name,
            Holder::Role(name) => &self.role(name)?.name,
        })
    }

    /// Attaches a managed policy; it may be attached already. Of one that is AWS's own the caller knows that it is there.
    pub fn attach(&mut self, holder: &Holder, policy: PolicyArn) -> Result<(), Refusal> {
        let present = &self.grants(holder)?.attached;
        self.check_attachable(&policy)?;
        if present.contains(&policy) {
            return Ok(());
        }
        Quota::Attached(holder.kind()).check(present.len() + 1)?;
        self.grants_mut(holder)?.attached.push(policy);
        Ok(())
    }

    /// Detaches a managed policy.
    pub fn detach(&mut self, holder: &Holder, policy: &PolicyArn) -> Result<(), Refusal> {
        if !self.grants(holder)?.attached.contains(policy) {
            return Err(Refusal::NotAttached(policy.clone()));
        }
        let grants = self.grants_mut(holder)?;
        grants.attached.retain(|attached| attached != policy);
        Ok(())
    }

    /// A policy of somebody's own.
    pub fn inline(
        &self,
        holder: &Holder,
        name: &EntityName,
    ) -> Result<(&EntityName, &str), Refusal> {
        let found = self.grants(holder)?.inline.get_key_value(name);
        let found = found.map(|(name, document)| (name, document.as_str()));
        found.ok_or_else(|| Refusal::NoInline(holder.kind(), name.clone()))
    }

    /// Gives somebody a policy of its own, in the place of one of the same name.
    pub fn put_inline(
        &mut self,
        holder: &Holder,
        name: EntityName,
        document: String,
    ) -> Result<(), Refusal> {
        let present = &self.grants(holder)?.inline;
        let others = present.iter().filter(|(other, _)| **other != name);
        let size: usize = others.map(|(_, document)| document_size(document)).sum();
        if size + document_size(&document) > holder.kind().inline_size_max() {
            let of = holder.name().clone();
            return Err(Refusal::InlineTooLarge(holder.kind(), of));
        }
        self.grants_mut(holder)?.inline.insert(name, document);
        Ok(())
    }

    /// Takes a policy of its own from somebody.
    pub fn remove_inline(&mut self, holder: &Holder, name: &EntityName) -> Result<(), Refusal> {
        self.inline(holder, name)?;
        self.grants_mut(holder)?.inline.remove(name);
        Ok(())
    }

    /// Bounds somebody's permissions by a policy, or by none.
    pub fn set_boundary(
        &mut self,
        of: &Bounded,
        boundary: Option<PolicyArn>,
    ) -> Result<(), Refusal> {
        if let Some(boundary) = &boundary {
            self.check_attachable(boundary)?;
        }
        match of {
            Bounded::User(name) => {
                find_mut(&mut self.users, Kind::User, name)?.boundary = boundary;
            }
            Bounded::Role(name) => {
                find_mut(&mut self.roles, Kind::Role, name)?.boundary = boundary;
            }
        }
        Ok(())
    }

    fn grants_mut(&mut self, holder: &Holder) -> Result<&mut Grants, Refusal> {
        Ok(match holder {
            Holder::User(name) => &mut find_mut(&mut self.users, Kind::User, name)?.grants,
            Holder::Group(name) => &mut find_mut(&mut self.groups, Kind::Group, name)?.grants,
            Holder::Role(name) => &mut find_mut(&mut self.roles, Kind::Role, name)?.grants,
        })
    }
}

impl Grants {
    /// Refuses where there is one.
    pub(super) fn check_empty(&self) -> Result<(), Refusal> {
        match (self.attached.is_empty(), self.inline.is_empty()) {
            (false, _) => Err(Refusal::HasAttached),
            (_, false) => Err(Refusal::HasInline),
            _ => Ok(()),
        }
    }
}
