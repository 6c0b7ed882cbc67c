//! Tags of users, roles and policies.

use super::users::check_tags;
use super::{Directory, find_mut};
use crate::iam::{Kind, Refusal, Tagged, Tags};

impl Directory {
    /// The tags of something.
    pub fn tags(&self, of: &Tagged) -> Result<&Tags, Refusal> {
        Ok(match of {
            Tagged::User(name) => &self.user(name)?.tags,
            Tagged::Role(name) => &self.role(name)?.tags,
            Tagged::Policy(arn) => &self.policy(arn)?.tags,
        })
    }

    /// Adds tags, in the place of those that have the same keys.
    pub fn tag(&mut self, of: &Tagged, added: Tags) -> Result<(), Refusal> {
        let mut tags = self.tags(of)?.clone();
        // Keys are the same whatever their case.
        tags.retain(|key, _| !added.keys().any(|other| is_same_key(key, other)));
        tags.extend(added);
        check_tags(&tags)?;
        self.set_tags(of, tags)
    }

    /// Takes tags away; there may be none with a key.
    pub fn untag(&mut self, of: &Tagged, keys: &[String]) -> Result<(), Refusal> {
        let mut tags = self.tags(of)?.clone();
        tags.retain(|key, _| !keys.iter().any(|other| is_same_key(key, other)));
        self.set_tags(of, tags)
    }

    fn set_tags(&mut self, of: &Tagged, tags: Tags) -> Result<(), Refusal> {
        match of {
            Tagged::User(name) => find_mut(&mut self.users, Kind::User, name)?.tags = tags,
            Tagged::Role(name) => find_mut(&mut self.roles, Kind::Role, name)?.tags = tags,
            Tagged::Policy(arn) => self.policy_mut(arn)?.tags = tags,
        }
        Ok(())
    }
}

fn is_same_key(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}
