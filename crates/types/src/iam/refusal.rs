//! Why identities are not changed.

use super::{EntityName, Kind, PolicyArn};
use crate::limits;

/// Why something was not found or not changed. Nothing was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such identity.
    #[error("there is no {0:?} {1}")]
    Missing(Kind, String),
    /// There is no such managed policy.
    #[error("there is no policy {0}")]
    NoPolicy(PolicyArn),
    /// There is no such managed policy that could be attached.
    #[error("there is no policy {0} to attach")]
    NotAttachable(PolicyArn),
    /// The policy has no such version.
    #[error("policy {0} has no version {1}")]
    NoVersion(PolicyArn, u32),
    /// An identity has no policy of its own of this name.
    #[error("the {0:?} has no policy {1}")]
    NoInline(Kind, EntityName),
    /// A managed policy is not attached there.
    #[error("policy {0} is not attached")]
    NotAttached(PolicyArn),
    /// A user is not in a group.
    #[error("user {user} is not in group {group}")]
    NotInGroup {
        /// The user.
        user: EntityName,
        /// The group.
        group: EntityName,
    },
    /// The name is taken.
    #[error("there is a {0:?} {1} already")]
    Exists(Kind, EntityName),
    /// Managed policies are attached to what should go.
    #[error("it has policies attached")]
    HasAttached,
    /// What should go has policies of its own.
    #[error("it has policies of its own")]
    HasInline,
    /// The user that should go has access keys.
    #[error("it has access keys")]
    HasKeys,
    /// The user that should go is in groups, or the group has users.
    #[error("users are in a group")]
    HasMembers,
    /// The version that should go is the one in force.
    #[error("the version is in force")]
    InForce,
    /// The policy that should go has versions besides the one in force.
    #[error("it has other versions")]
    HasVersions,
    /// The policy that should go is attached, or bounds somebody.
    #[error("the policy is in use")]
    InUse,
    /// There are as many as there may be.
    #[error("there are {} already", .0.max())]
    TooMany(Quota),
    /// All documents of its own together would be too large for an identity.
    #[error("the policies of {0:?} {1} would be too large")]
    InlineTooLarge(Kind, EntityName),
    /// The document of a managed policy is too large.
    #[error("the document is too large")]
    DocumentTooLarge,
    /// The document of a trust policy is too large.
    #[error("the trust policy is too large")]
    TrustTooLarge,
}

/// Of what there may only be so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    /// Users of an account.
    Users,
    /// Groups of an account.
    Groups,
    /// Roles of an account.
    Roles,
    /// Managed policies of an account.
    Policies,
    /// Managed policies attached to one identity of a kind.
    Attached(Kind),
    /// Groups that a user is in.
    GroupsOfUser,
    /// Versions of a policy.
    Versions,
    /// Access keys of a user, or of the account itself.
    Keys,
    /// Tags.
    Tags,
}

impl Quota {
    /// How many.
    pub fn max(self) -> usize {
        match self {
            Quota::Users => limits::USERS_MAX,
            Quota::Groups => limits::GROUPS_MAX,
            Quota::Roles => limits::ROLES_MAX,
            Quota::Policies => limits::MANAGED_POLICIES_MAX,
            Quota::Attached(_) => limits::ATTACHED_POLICIES_MAX,
            Quota::GroupsOfUser => limits::GROUPS_OF_USER_MAX,
            Quota::Versions => limits::POLICY_VERSIONS_MAX,
            Quota::Keys => limits::ACCESS_KEYS_MAX,
            Quota::Tags => limits::TAGS_MAX,
        }
    }

    pub(super) fn check(self, after: usize) -> Result<(), Refusal> {
        match after <= self.max() {
            true => Ok(()),
            false => Err(Refusal::TooMany(self)),
        }
    }
}
