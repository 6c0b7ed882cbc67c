//! `GetAccountAuthorizationDetails`: all identities with all that they may do, for tools that look at the whole.
//!
//! AWS differs: of AWS's own policies those are shown that are used.

use kiln_types::AccountId;
use kiln_types::iam::{Directory, Grants, Group, ManagedPolicy, Role, User, Uses};

use crate::context::Context;
use crate::error::Result;
use crate::iam::aws_managed::{self, AwsPolicy};
use crate::iam::generated::{
    GetAccountAuthorizationDetailsRequest as Input,
    GetAccountAuthorizationDetailsResponse as Output, GroupDetail, ManagedPolicyDetail, Policy,
    PolicyDetail, PolicyVersion, RoleDetail, UserDetail,
};
use crate::iam::paging::{Asked, by_name, page};
use crate::iam::{attached, boundary, directory, document, managed, role, tag, user};

/// Something that is shown.
enum Detail {
    User(UserDetail),
    Group(GroupDetail),
    Role(RoleDetail),
    Policy(ManagedPolicyDetail),
}

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let directory = directory(context);
    let filter = input.filter.unwrap_or_default();
    let wants = |kind: &str| filter.is_empty() || filter.iter().any(|wanted| wanted == kind);
    let mut all = Vec::new();
    if wants("User") {
        let details = directory
            .users()
            .map(|one| of_user(directory.account(), one));
        all.extend(details);
    }
    if wants("Group") {
        let details = directory
            .groups()
            .map(|one| of_group(directory.account(), one));
        all.extend(details);
    }
    if wants("Role") {
        let details = directory
            .roles()
            .map(|one| of_role(directory.account(), one));
        all.extend(details);
    }
    let uses = directory.uses();
    if wants("LocalManagedPolicy") {
        all.extend(directory.policies().map(|policy| {
            let uses = uses.get(&policy.arn(directory.account()));
            of_policy(&directory, policy, uses.copied().unwrap_or_default())
        }));
    }
    if wants("AWSManagedPolicy") {
        let used = aws_managed::ALL.iter();
        let used = used.filter_map(|policy| Some(of_aws(policy, *uses.get(&policy.arn())?)));
        all.extend(used);
    }
    let asked = Asked {
        marker: input.marker,
        max_items: input.max_items,
    };
    let page = page(all, |(order, _)| order.clone(), &asked)?;
    let mut output = Output {
        user_detail_list: Some(Vec::new()),
        group_detail_list: Some(Vec::new()),
        role_detail_list: Some(Vec::new()),
        policies: Some(Vec::new()),
        is_truncated: page.is_truncated,
        marker: page.marker,
    };
    for (_, detail) in page.items {
        match detail {
            Detail::User(user) => output.user_detail_list.get_or_insert_default().push(user),
            Detail::Group(group) => output.group_detail_list.get_or_insert_default().push(group),
            Detail::Role(role) => output.role_detail_list.get_or_insert_default().push(role),
            Detail::Policy(policy) => output.policies.get_or_insert_default().push(policy),
        }
    }
    Ok(output)
}

fn of_user(account: &AccountId, user: &User) -> (String, Detail) {
    let shown = user::listed(account, user);
    let detail = UserDetail {
        path: Some(shown.path),
        user_name: Some(shown.user_name),
        user_id: Some(shown.user_id),
        arn: Some(shown.arn),
        create_date: Some(shown.create_date),
        user_policy_list: Some(inline(&user.grants)),
        group_list: Some(user.groups.iter().map(ToString::to_string).collect()),
        attached_managed_policies: Some(attached::all(&user.grants)),
        permissions_boundary: user.boundary.as_ref().map(boundary::shown),
        tags: tag::shown(&user.tags),
    };
    (format!("1 {}", by_name(&user.name)), Detail::User(detail))
}

fn of_group(account: &AccountId, group: &Group) -> (String, Detail) {
    let shown = crate::iam::group::shown(account, group);
    let detail = GroupDetail {
        path: Some(shown.path),
        group_name: Some(shown.group_name),
        group_id: Some(shown.group_id),
        arn: Some(shown.arn),
        create_date: Some(shown.create_date),
        group_policy_list: Some(inline(&group.grants)),
        attached_managed_policies: Some(attached::all(&group.grants)),
    };
    (format!("2 {}", by_name(&group.name)), Detail::Group(detail))
}

fn of_role(account: &AccountId, role: &Role) -> (String, Detail) {
    let shown = role::shown(account, role);
    let detail = RoleDetail {
        path: Some(shown.path),
        role_name: Some(shown.role_name),
        role_id: Some(shown.role_id),
        arn: Some(shown.arn),
        create_date: Some(shown.create_date),
        assume_role_policy_document: shown.assume_role_policy_document,
        instance_profile_list: Some(Vec::new()),
        role_policy_list: Some(inline(&role.grants)),
        attached_managed_policies: Some(attached::all(&role.grants)),
        permissions_boundary: shown.permissions_boundary,
        tags: shown.tags,
        role_last_used: None,
    };
    (format!("3 {}", by_name(&role.name)), Detail::Role(detail))
}

fn of_policy(directory: &Directory, policy: &ManagedPolicy, uses: Uses) -> (String, Detail) {
    let shown = managed::shown(directory, policy, uses);
    let versions = policy.versions.iter().rev();
    let versions = versions.map(|(number, version)| PolicyVersion {
        document: Some(document::encode(&version.document)),
        ..managed::listed_version(policy, *number, version)
    });
    let order = format!("4 {}", by_name(&policy.name));
    (
        order,
        Detail::Policy(with_versions(shown, versions.collect())),
    )
}

fn of_aws(policy: &'static AwsPolicy, uses: Uses) -> (String, Detail) {
    let shown = managed::shown_aws(policy, uses);
    let versions = vec![managed::version_aws(policy)];
    let order = format!("5 {}", policy.name.to_ascii_lowercase());
    (order, Detail::Policy(with_versions(shown, versions)))
}

fn with_versions(shown: Policy, versions: Vec<PolicyVersion>) -> ManagedPolicyDetail {
    ManagedPolicyDetail {
        policy_name: shown.policy_name,
        policy_id: shown.policy_id,
        arn: shown.arn,
        path: shown.path,
        default_version_id: shown.default_version_id,
        attachment_count: shown.attachment_count,
        permissions_boundary_usage_count: shown.permissions_boundary_usage_count,
        is_attachable: shown.is_attachable,
        description: shown.description,
        create_date: shown.create_date,
        update_date: shown.update_date,
        policy_version_list: Some(versions),
    }
}

fn inline(grants: &Grants) -> Vec<PolicyDetail> {
    let policies = grants.inline.iter();
    let shown = policies.map(|(name, text)| PolicyDetail {
        policy_name: Some(name.to_string()),
        policy_document: Some(document::encode(text)),
    });
    shown.collect()
}
