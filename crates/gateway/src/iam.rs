//! Identity and Access Management: users, groups, roles, their policies, and access keys.
//!
//! AWS differs: there are no passwords, devices, certificates, identity providers, instance
//! profiles or service-linked roles. Names are found whatever their case. Of AWS's own policies there are those that tools name
//! ([`aws_managed`]). Keys that are the account's own, as the administrator's are, are shown as those of a user that has no
//! identity; they may do everything.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use kiln_types::Timestamp;
use kiln_types::iam::{Directory, EntityName, EntityPath, PolicyArn, Refusal};

use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::wire::Request;
use crate::wire::form::Flat;

pub(crate) mod generated;

mod access_key;
mod account;
mod attached;
pub(crate) mod aws_managed;
mod boundary;
mod document;
mod group;
mod inline;
mod instance_profile;
mod managed;
mod needs;
mod paging;
mod refusal;
mod role;
mod simulate;
mod tag;
#[cfg(test)]
mod tests;
mod user;

crate::wire::dispatch! {
    AddUserToGroup => group::add_user_to_group::handle,
    AttachGroupPolicy => attached::attach_group_policy::handle,
    AttachRolePolicy => attached::attach_role_policy::handle,
    AttachUserPolicy => attached::attach_user_policy::handle,
    CreateAccessKey => access_key::create_access_key::handle,
    CreateGroup => group::create_group::handle,
    CreatePolicy => managed::create_policy::handle,
    CreatePolicyVersion => managed::create_policy_version::handle,
    CreateRole => role::create_role::handle,
    CreateServiceLinkedRole => role::create_service_linked_role::handle,
    CreateUser => user::create_user::handle,
    DeleteAccessKey => access_key::delete_access_key::handle,
    DeleteGroup => group::delete_group::handle,
    DeleteGroupPolicy => inline::delete_group_policy::handle,
    DeletePolicy => managed::delete_policy::handle,
    DeletePolicyVersion => managed::delete_policy_version::handle,
    DeleteRole => role::delete_role::handle,
    DeleteRolePermissionsBoundary => boundary::delete_role_permissions_boundary::handle,
    DeleteRolePolicy => inline::delete_role_policy::handle,
    DeleteUser => user::delete_user::handle,
    DeleteUserPermissionsBoundary => boundary::delete_user_permissions_boundary::handle,
    DeleteUserPolicy => inline::delete_user_policy::handle,
    DetachGroupPolicy => attached::detach_group_policy::handle,
    DetachRolePolicy => attached::detach_role_policy::handle,
    DetachUserPolicy => attached::detach_user_policy::handle,
    GetAccessKeyLastUsed => access_key::get_access_key_last_used::handle,
    GetAccountAuthorizationDetails => account::get_account_authorization_details::handle,
    GetAccountSummary => account::get_account_summary::handle,
    GetGroup => group::get_group::handle,
    GetGroupPolicy => inline::get_group_policy::handle,
    GetPolicy => managed::get_policy::handle,
    GetPolicyVersion => managed::get_policy_version::handle,
    GetRole => role::get_role::handle,
    GetRolePolicy => inline::get_role_policy::handle,
    GetUser => user::get_user::handle,
    GetUserPolicy => inline::get_user_policy::handle,
    ListAccessKeys => access_key::list_access_keys::handle,
    ListAccountAliases => account::list_account_aliases::handle,
    ListAttachedGroupPolicies => attached::list_attached_group_policies::handle,
    ListAttachedRolePolicies => attached::list_attached_role_policies::handle,
    ListAttachedUserPolicies => attached::list_attached_user_policies::handle,
    ListEntitiesForPolicy => managed::list_entities_for_policy::handle,
    ListGroupPolicies => inline::list_group_policies::handle,
    ListGroups => group::list_groups::handle,
    ListGroupsForUser => group::list_groups_for_user::handle,
    ListInstanceProfiles => instance_profile::list_instance_profiles::handle,
    ListInstanceProfilesForRole => instance_profile::list_instance_profiles_for_role::handle,
    ListPolicies => managed::list_policies::handle,
    ListPolicyTags => tag::list_policy_tags::handle,
    ListPolicyVersions => managed::list_policy_versions::handle,
    ListRolePolicies => inline::list_role_policies::handle,
    ListRoleTags => tag::list_role_tags::handle,
    ListRoles => role::list_roles::handle,
    ListUserPolicies => inline::list_user_policies::handle,
    ListUserTags => tag::list_user_tags::handle,
    ListUsers => user::list_users::handle,
    PutGroupPolicy => inline::put_group_policy::handle,
    PutRolePermissionsBoundary => boundary::put_role_permissions_boundary::handle,
    PutRolePolicy => inline::put_role_policy::handle,
    PutUserPermissionsBoundary => boundary::put_user_permissions_boundary::handle,
    PutUserPolicy => inline::put_user_policy::handle,
    RemoveUserFromGroup => group::remove_user_from_group::handle,
    SimulateCustomPolicy => simulate::simulate_custom_policy::handle,
    SimulatePrincipalPolicy => simulate::simulate_principal_policy::handle,
    SetDefaultPolicyVersion => managed::set_default_policy_version::handle,
    TagPolicy => tag::tag_policy::handle,
    TagRole => tag::tag_role::handle,
    TagUser => tag::tag_user::handle,
    UntagPolicy => tag::untag_policy::handle,
    UntagRole => tag::untag_role::handle,
    UntagUser => tag::untag_user::handle,
    UpdateAccessKey => access_key::update_access_key::handle,
    UpdateAssumeRolePolicy => role::update_assume_role_policy::handle,
    UpdateGroup => group::update_group::handle,
    UpdateRole => role::update_role::handle,
    UpdateRoleDescription => role::update_role_description::handle,
    UpdateUser => user::update_user::handle,
}

/// A map whose entries the protocol's shapes do not tell from members.
pub(crate) const FLAT: &[Flat] = &[Flat {
    member: "SummaryMap",
    element: "SummaryMap.entry",
    entry: Some(("key", "value")),
}];

/// Runs an operation. One by GET has its parameters in the query string.
pub(crate) async fn serve(
    operation: generated::Operation,
    context: &Context,
    request: Request,
) -> Result<Response<Bytes>> {
    dispatch(operation, context, request.with_query_in_form()).await
}

/// The identities of the caller's account.
fn directory(context: &Context) -> Arc<Directory> {
    let identities = context.deps.store.identities();
    identities.of(&context.caller.account)
}

/// Changes the identities of the caller's account.
async fn change<T: Send + 'static>(
    context: &Context,
    change: impl FnOnce(&mut Directory) -> std::result::Result<T, Refusal> + Send + 'static,
) -> Result<T> {
    let identities = context.deps.store.identities();
    let change = |directory: &mut Directory| change(directory).map_err(ApiError::from);
    identities.change(&context.caller.account, change).await
}

fn name(text: &str) -> Result<EntityName> {
    text.parse().map_err(invalid)
}

fn path(text: Option<&str>) -> Result<EntityPath> {
    let read = text.map(|text| text.parse().map_err(invalid));
    Ok(read.transpose()?.unwrap_or_default())
}

/// The ARN of a managed policy. One of AWS's own is one that there is.
fn policy_arn(text: &str) -> Result<PolicyArn> {
    let wrong = |_| {
        let message = format!("ARN {text} is not valid.");
        ApiError::new(Exception::InvalidInput, message)
    };
    let arn: PolicyArn = text.parse().map_err(wrong)?;
    match aws_managed::is_missing(&arn) {
        true => Err(refusal::not_attachable(&arn)),
        false => Ok(arn),
    }
}

fn invalid(error: kiln_types::InvalidName) -> ApiError {
    ApiError::new(Exception::Validation, format!("{error}."))
}

/// A time as this API has it.
fn time(time: Timestamp) -> String {
    time.to_seconds()
}
