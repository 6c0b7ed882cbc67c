//! Operations on roles.
//!
//! AWS differs: a function may name a role that there is not.

use kiln_types::AccountId;
use kiln_types::iam::Role;

use super::generated as wire;
use super::{boundary, document, tag, time};

pub(super) mod create_role;
pub(super) mod create_service_linked_role;
pub(super) mod delete_role;
pub(super) mod get_role;
pub(super) mod list_roles;
pub(super) mod update_assume_role_policy;
pub(super) mod update_role;
pub(super) mod update_role_description;

/// A role as lists show it.
pub(super) fn listed(account: &AccountId, role: &Role) -> wire::Role {
    wire::Role {
        path: role.path.to_string(),
        role_name: role.name.to_string(),
        role_id: role.id.to_string(),
        arn: role.arn(account),
        create_date: time(role.created),
        assume_role_policy_document: Some(document::encode(&role.trust)),
        description: role.description.clone(),
        max_session_duration: Some(i64::from(role.session_secs_max)),
        ..wire::Role::default()
    }
}

/// A role by itself, with its tags and what bounds it.
pub(super) fn shown(account: &AccountId, role: &Role) -> wire::Role {
    wire::Role {
        permissions_boundary: role.boundary.as_ref().map(boundary::shown),
        tags: tag::shown(&role.tags),
        ..listed(account, role)
    }
}

/// How long sessions may last, in seconds; the constraints of requests bound it.
fn session_secs(asked: Option<i64>) -> Option<u32> {
    asked.and_then(|asked| u32::try_from(asked).ok())
}
