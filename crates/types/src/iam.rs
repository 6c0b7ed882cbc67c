//! Identities of an account: users, groups, roles, and the policies that say what they may do.
//!
//! An account's identities are one value, its [`Directory`]: who is named where is decided on all of them together, without
//! I/O. Start reading there.
//!
//! What a policy's document means is not decided here; its text is kept as it was given.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::account::AccountId;
use crate::clock::Timestamp;
use crate::limits;

mod arn;
mod directory;
mod id;
mod name;
mod refusal;

pub use arn::{PolicyArn, PolicyOwner};
pub use directory::{Directory, Entity, Uses};
pub use id::{EntityId, ID_ALPHABET};
pub use name::{EntityName, EntityPath};
pub use refusal::{Quota, Refusal};

/// Tags, by their keys.
pub type Tags = BTreeMap<String, String>;

/// What an identity is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A person or a program with keys of its own.
    User,
    /// Users who may do the same.
    Group,
    /// What somebody may become for a while.
    Role,
    /// A managed policy.
    Policy,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Names it for good, whatever it is called.
    pub id: EntityId,
    /// Where it is filed.
    pub path: EntityPath,
    /// What it is called, unique among the account's users.
    pub name: EntityName,
    /// When it was made.
    pub created: Timestamp,
    /// Its tags.
    #[serde(default)]
    pub tags: Tags,
    /// What bounds its permissions.
    #[serde(default)]
    pub boundary: Option<PolicyArn>,
    /// The groups that it is in.
    #[serde(default)]
    pub groups: BTreeSet<EntityName>,
    /// Its policies.
    #[serde(default)]
    pub grants: Grants,
}

/// A group of users, who know it by their [`User::groups`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Names it for good.
    pub id: EntityId,
    /// Where it is filed.
    pub path: EntityPath,
    /// What it is called, unique among the account's groups.
    pub name: EntityName,
    /// When it was made.
    pub created: Timestamp,
    /// Its policies.
    #[serde(default)]
    pub grants: Grants,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Names it for good.
    pub id: EntityId,
    /// Where it is filed.
    pub path: EntityPath,
    /// What it is called, unique among the account's roles.
    pub name: EntityName,
    /// When it was made.
    pub created: Timestamp,
    /// Who may become it: the document of its trust policy.
    pub trust: String,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// How long a session may last, in seconds.
    pub session_secs_max: u32,
    /// Its tags.
    #[serde(default)]
    pub tags: Tags,
    /// What bounds its permissions.
    #[serde(default)]
    pub boundary: Option<PolicyArn>,
    /// Its policies.
    #[serde(default)]
    pub grants: Grants,
}

/// A policy that stands by itself and is attached to identities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagedPolicy {
    /// Names it for good.
    pub id: EntityId,
    /// Where it is filed.
    pub path: EntityPath,
    /// What it is called, unique among the account's policies.
    pub name: EntityName,
    /// When it was made.
    pub created: Timestamp,
    /// When its versions last changed.
    pub updated: Timestamp,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// Its tags.
    #[serde(default)]
    pub tags: Tags,
    /// Its versions by their numbers, of which none is used twice; the default one is always among them.
    pub versions: BTreeMap<u32, PolicyVersion>,
    /// The number of the version that is in force.
    pub default: u32,
    /// The number that was given last.
    pub latest: u32,
}

/// A version of a managed policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// Its text.
    pub document: String,
    /// When it was made.
    pub created: Timestamp,
}

/// The policies of an identity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Grants {
    /// Managed policies that are attached to it, in the order in which they were.
    pub attached: Vec<PolicyArn>,
    /// Policies of its own: documents by their names.
    pub inline: BTreeMap<EntityName, String>,
}

/// Somebody who has policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A user.
    User(EntityName),
    /// A group.
    Group(EntityName),
    /// A role.
    Role(EntityName),
}

/// Something that has tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tagged {
    /// A user.
    User(EntityName),
    /// A role.
    Role(EntityName),
    /// A managed policy of the account.
    Policy(PolicyArn),
}

/// Somebody whose permissions can be bounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bounded {
    /// A user.
    User(EntityName),
    /// A role.
    Role(EntityName),
}

impl Kind {
    /// Characters of all documents of its own that such an identity may have, white space left out.
    pub fn inline_size_max(self) -> usize {
        match self {
            Kind::User => limits::USER_POLICY_SIZE_MAX,
            Kind::Group => limits::GROUP_POLICY_SIZE_MAX,
            Kind::Role | Kind::Policy => limits::ROLE_POLICY_SIZE_MAX,
        }
    }
}

impl Holder {
    /// What it is.
    pub fn kind(&self) -> Kind {
        match self {
            Holder::User(_) => Kind::User,
            Holder::Group(_) => Kind::Group,
            Holder::Role(_) => Kind::Role,
        }
    }

    /// What it is called.
    pub fn name(&self) -> &EntityName {
        match self {
            Holder::User(name) | Holder::Group(name) | Holder::Role(name) => name,
        }
    }
}

impl User {
    /// Its ARN.
    pub fn arn(&self, account: &AccountId) -> String {
        arn::of(account, "user", &self.path, &self.name)
    }
}

impl Group {
    /// Its ARN.
    pub fn arn(&self, account: &AccountId) -> String {
        arn::of(account, "group", &self.path, &self.name)
    }
}

impl Role {
    /// Its ARN.
    pub fn arn(&self, account: &AccountId) -> String {
        arn::of(account, "role", &self.path, &self.name)
    }
}

impl ManagedPolicy {
    /// A policy with one version.
    pub fn new(path: EntityPath, name: EntityName, document: String, created: Timestamp) -> Self {
        Self {
            id: EntityId::random(Kind::Policy),
            path,
            name,
            created,
            updated: created,
            description: None,
            tags: Tags::new(),
            versions: BTreeMap::from([(1, PolicyVersion { document, created })]),
            default: 1,
            latest: 1,
        }
    }

    /// Its ARN.
    pub fn arn(&self, account: &AccountId) -> PolicyArn {
        PolicyArn {
            owner: PolicyOwner::Account(account.clone()),
            path: self.path.clone(),
            name: self.name.clone(),
        }
    }

    /// The version that is in force.
    pub fn in_force(&self) -> &PolicyVersion {
        self.versions
            .get(&self.default)
            .expect("the default version is never removed")
    }
}

/// Characters of a document as limits count them: white space is free.
pub fn document_size(document: &str) -> usize {
    document.chars().filter(|c| !c.is_whitespace()).count()
}
