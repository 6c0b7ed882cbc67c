//! `GetAccountSummary`: how many identities there are, and may be.

use kiln_types::limits;

use crate::context::Context;
use crate::error::Result;
use crate::iam::directory;
use crate::iam::generated::GetAccountSummaryResponse as Output;
use crate::wire::NoInput;

pub(crate) async fn handle(context: &Context, _input: NoInput) -> Result<Output> {
    let directory = directory(context);
    let keys = context.deps.store.keys();
    let own_keys = keys.list_of(directory.account(), None).len();
    let versions = directory.policies().map(|policy| policy.versions.len());
    let counts = [
        ("Users", directory.users().len()),
        ("UsersQuota", limits::USERS_MAX),
        ("Groups", directory.groups().len()),
        ("GroupsQuota", limits::GROUPS_MAX),
        ("Roles", directory.roles().len()),
        ("RolesQuota", limits::ROLES_MAX),
        ("Policies", directory.policies().len()),
        ("PoliciesQuota", limits::MANAGED_POLICIES_MAX),
        ("PolicyVersionsInUse", versions.sum()),
        ("VersionsPerPolicyQuota", limits::POLICY_VERSIONS_MAX),
        ("PolicySizeQuota", limits::MANAGED_POLICY_SIZE_MAX),
        ("UserPolicySizeQuota", limits::USER_POLICY_SIZE_MAX),
        ("GroupPolicySizeQuota", limits::GROUP_POLICY_SIZE_MAX),
        ("RolePolicySizeQuota", limits::ROLE_POLICY_SIZE_MAX),
        ("AssumeRolePolicySizeQuota", limits::TRUST_POLICY_SIZE_MAX),
        (
            "AttachedPoliciesPerUserQuota",
            limits::ATTACHED_POLICIES_MAX,
        ),
        (
            "AttachedPoliciesPerGroupQuota",
            limits::ATTACHED_POLICIES_MAX,
        ),
        (
            "AttachedPoliciesPerRoleQuota",
            limits::ATTACHED_POLICIES_MAX,
        ),
        ("GroupsPerUserQuota", limits::GROUPS_OF_USER_MAX),
        ("AccessKeysPerUserQuota", limits::ACCESS_KEYS_MAX),
        ("AccountAccessKeysPresent", usize::from(own_keys > 0)),
        ("AccountMFAEnabled", 0),
        ("AccountPasswordPresent", 0),
        ("InstanceProfiles", 0),
        ("MFADevices", 0),
        ("Providers", 0),
        ("ServerCertificates", 0),
    ];
    let entry =
        |(name, count): (&str, usize)| (name.to_owned(), i64::try_from(count).unwrap_or(i64::MAX));
    Ok(Output {
        summary_map: Some(counts.into_iter().map(entry).collect()),
    })
}
