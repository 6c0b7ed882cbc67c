//! `ListEntitiesForPolicy`: who has a managed policy attached, or is bounded by it.

use kiln_types::iam::{Directory, Grants, PolicyArn};

use super::find;
use crate::context::Context;
use crate::error::Result;
use crate::iam::directory;
use crate::iam::generated::{
    ListEntitiesForPolicyRequest as Input, ListEntitiesForPolicyResponse as Output, PolicyGroup,
    PolicyRole, PolicyUser,
};
use crate::iam::paging::{Asked, by_name, is_below, page};

/// Somebody who uses a policy.
enum Entity {
    Group(PolicyGroup),
    User(PolicyUser),
    Role(PolicyRole),
}

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let (arn, _) = find(context, &input.policy_arn)?;
    let directory = directory(context);
    let prefix = input.path_prefix.as_deref();
    let asked = Asked {
        marker: input.marker,
        max_items: input.max_items,
    };
    let found = used_by(
        &directory,
        &arn,
        prefix,
        input.policy_usage_filter.as_deref(),
    );
    let wants = |kind: &str| match input.entity_filter.as_deref() {
        Some(wanted) => wanted == kind,
        None => true,
    };
    let found = found.into_iter().filter(|(entity, _)| match entity {
        Entity::Group(_) => wants("Group"),
        Entity::User(_) => wants("User"),
        Entity::Role(_) => wants("Role"),
    });
    let page = page(found, |(_, order)| order.clone(), &asked)?;
    let mut output = Output {
        policy_groups: Some(Vec::new()),
        policy_users: Some(Vec::new()),
        policy_roles: Some(Vec::new()),
        is_truncated: page.is_truncated,
        marker: page.marker,
    };
    for (entity, _) in page.items {
        match entity {
            Entity::Group(group) => output.policy_groups.get_or_insert_default().push(group),
            Entity::User(user) => output.policy_users.get_or_insert_default().push(user),
            Entity::Role(role) => output.policy_roles.get_or_insert_default().push(role),
        }
    }
    Ok(output)
}

/// Whoever uses a policy, and by what it is listed.
fn used_by(
    directory: &Directory,
    arn: &PolicyArn,
    prefix: Option<&str>,
    usage: Option<&str>,
) -> Vec<(Entity, String)> {
    let uses = |grants: &Grants, boundary: Option<&PolicyArn>| {
        let is_attached = usage != Some("PermissionsBoundary") && grants.attached.contains(arn);
        is_attached || (usage != Some("PermissionsPolicy") && boundary == Some(arn))
    };
    let mut found = Vec::new();
    for group in directory.groups() {
        if uses(&group.grants, None) && is_below(&group.path, prefix) {
            let shown = PolicyGroup {
                group_name: Some(group.name.to_string()),
                group_id: Some(group.id.to_string()),
            };
            found.push((
                Entity::Group(shown),
                format!("group {}", by_name(&group.name)),
            ));
        }
    }
    for user in directory.users() {
        if uses(&user.grants, user.boundary.as_ref()) && is_below(&user.path, prefix) {
            let shown = PolicyUser {
                user_name: Some(user.name.to_string()),
                user_id: Some(user.id.to_string()),
            };
            found.push((Entity::User(shown), format!("user {}", by_name(&user.name))));
        }
    }
    for role in directory.roles() {
        if uses(&role.grants, role.boundary.as_ref()) && is_below(&role.path, prefix) {
            let shown = PolicyRole {
                role_name: Some(role.name.to_string()),
                role_id: Some(role.id.to_string()),
            };
            found.push((Entity::Role(shown), format!("role {}", by_name(&role.name))));
        }
    }
    found
}
