//! IAM's words for what is refused.

use kiln_store::KeyError;
use kiln_types::iam::{Kind, PolicyArn, Quota, Refusal};

use crate::error::{ApiError, Exception};

/// There is no such thing.
pub(super) fn missing(message: String) -> ApiError {
    ApiError::new(Exception::NoSuchEntity, message)
}

/// There is no such policy that could be attached.
pub(super) fn not_attachable(arn: &PolicyArn) -> ApiError {
    missing(format!("Policy {arn} does not exist or is not attachable."))
}

/// There is no such access key, or it is another's.
pub(super) fn no_key(id: &str) -> ApiError {
    missing(format!("The Access Key with id {id} cannot be found."))
}

/// What is given cannot be.
pub(super) fn invalid_input(message: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::new(Exception::InvalidInput, message)
}

/// Something stands in the way of a removal.
fn conflict(message: &'static str) -> ApiError {
    ApiError::new(Exception::DeleteConflict, message)
}

fn limit(message: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::new(Exception::QuotaExceeded, message)
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Missing(kind, name) => missing(format!(
                "The {} with name {name} cannot be found.",
                word(kind)
            )),
            Refusal::NoPolicy(arn) | Refusal::NotAttached(arn) => {
                missing(format!("Policy {arn} was not found."))
            }
            Refusal::NotAttachable(arn) => not_attachable(&arn),
            Refusal::NoVersion(arn, number) => missing(format!(
                "Policy {arn} version v{number} does not exist or is not attachable."
            )),
            Refusal::NoInline(kind, name) => missing(format!(
                "The {} policy with name {name} cannot be found.",
                word(kind)
            )),
            Refusal::NotInGroup { user, group } => {
                missing(format!("User {user} not in group {group}"))
            }
            Refusal::Exists(kind, name) => {
                ApiError::new(Exception::EntityAlreadyExists, exists(kind, name.as_str()))
            }
            Refusal::HasAttached => {
                conflict("Cannot delete entity, must detach all policies first.")
            }
            Refusal::HasInline => conflict("Cannot delete entity, must delete policies first."),
            Refusal::HasKeys => conflict("Cannot delete entity, must delete access keys first."),
            Refusal::HasMembers => {
                conflict("Cannot delete entity, must remove users from group first.")
            }
            Refusal::InForce => conflict("Cannot delete the default version of a policy."),
            Refusal::HasVersions => conflict(
                "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. \
                 The default version is deleted with the policy.",
            ),
            Refusal::InUse => conflict("Cannot delete a policy attached to entities."),
            Refusal::TooMany(quota) => limit(too_many(quota)),
            Refusal::InlineTooLarge(kind, name) => limit(format!(
                "Maximum policy size of {} bytes exceeded for {} {name}",
                kind.inline_size_max(),
                word(kind)
            )),
            Refusal::DocumentTooLarge => limit(format!(
                "Cannot exceed quota for PolicySize: {}",
                kiln_types::limits::MANAGED_POLICY_SIZE_MAX
            )),
            Refusal::TrustTooLarge => limit(format!(
                "Cannot exceed quota for ACLSizePerRole: {}",
                kiln_types::limits::TRUST_POLICY_SIZE_MAX
            )),
        }
    }
}

impl From<KeyError> for ApiError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::NoUser(id) => missing(format!("The user with id {id} cannot be found.")),
            KeyError::TooMany => limit(too_many(Quota::Keys)),
            KeyError::Store(error) => error.into(),
        }
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::User => "user",
        Kind::Group => "group",
        Kind::Role => "role",
        Kind::Policy => "policy",
    }
}

fn exists(kind: Kind, name: &str) -> String {
    match kind {
        Kind::User => format!("User with name {name} already exists."),
        Kind::Group => format!("Group with name {name} already exists."),
        Kind::Role => format!("Role with name {name} already exists."),
        Kind::Policy => {
            format!("A policy called {name} already exists. Duplicate names are not allowed.")
        }
    }
}

fn too_many(quota: Quota) -> String {
    let of = match quota {
        Quota::Tags => {
            return "The number of tags has reached the maximum limit.".to_owned();
        }
        Quota::Versions => {
            let max = quota.max();
            return format!(
                "A managed policy can have up to {max} versions. Before you create a new version, you must delete an \
                 existing version."
            );
        }
        Quota::Users => "UsersPerAccount",
        Quota::Groups => "GroupsPerAccount",
        Quota::Roles => "RolesPerAccount",
        Quota::Policies => "PoliciesPerAccount",
        Quota::Attached(Kind::User) => "PoliciesPerUser",
        Quota::Attached(Kind::Group) => "PoliciesPerGroup",
        Quota::Attached(Kind::Role | Kind::Policy) => "PoliciesPerRole",
        Quota::GroupsOfUser => "GroupsPerUser",
        Quota::Keys => "AccessKeysPerUser",
    };
    format!("Cannot exceed quota for {of}: {}", quota.max())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_a_quota_is_refused_in_iams_words() {
        let text = |refusal: Refusal| {
            let error = ApiError::from(refusal);
            assert_eq!(error.exception.name(), "LimitExceeded");
            error.message.into_owned()
        };
        assert_eq!(
            text(Refusal::DocumentTooLarge),
            "Cannot exceed quota for PolicySize: 6144"
        );
        assert_eq!(
            text(Refusal::TrustTooLarge),
            "Cannot exceed quota for ACLSizePerRole: 2048"
        );
        assert_eq!(
            text(Refusal::InlineTooLarge(
                Kind::Role,
                "resize".parse().unwrap()
            )),
            "Maximum policy size of 10240 bytes exceeded for role resize"
        );
    }
}
