//! Operations on identities, together.

use super::generated::*;
use super::*;
use crate::lambda::fixture::Fixture;

const TRUST: &str = r#"{
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]
}"#;
const READS: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]}"#;
const BASIC: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";

async fn make_role(fixture: &Fixture, name: &str) -> Result<Role> {
    let input = CreateRoleRequest {
        role_name: name.to_owned(),
        assume_role_policy_document: TRUST.to_owned(),
        ..Default::default()
    };
    let made = role::create_role::handle(&fixture.context, input).await?;
    Ok(made.role)
}

async fn make_user(fixture: &Fixture, name: &str) -> Result<User> {
    let input = CreateUserRequest {
        user_name: name.to_owned(),
        ..Default::default()
    };
    let made = user::create_user::handle(&fixture.context, input).await?;
    Ok(made.user.unwrap())
}

async fn make_policy(fixture: &Fixture, name: &str) -> Result<String> {
    let input = CreatePolicyRequest {
        policy_name: name.to_owned(),
        policy_document: READS.to_owned(),
        ..Default::default()
    };
    let made = managed::create_policy::handle(&fixture.context, input).await?;
    Ok(made.policy.unwrap().arn.unwrap())
}

async fn attach(fixture: &Fixture, role: &str, arn: &str) -> Result<()> {
    let input = AttachRolePolicyRequest {
        role_name: role.to_owned(),
        policy_arn: arn.to_owned(),
    };
    attached::attach_role_policy::handle(&fixture.context, input).await
}

async fn delete_role(fixture: &Fixture, role: &str) -> Result<()> {
    let role_name = role.to_owned();
    role::delete_role::handle(&fixture.context, DeleteRoleRequest { role_name }).await
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T>, exception: Exception, message: &str) {
    let error = result.unwrap_err();
    assert_eq!(
        (error.exception, error.message.as_ref()),
        (exception, message)
    );
}

#[tokio::test]
async fn a_role_is_shown_as_it_was_made() {
    let fixture = Fixture::new().await;
    let made = make_role(&fixture, "Runs").await.unwrap();
    assert_eq!(made.arn, "arn:aws:iam::000000000000:role/Runs");
    assert_eq!(made.max_session_duration, Some(3_600));
    let role_name = "runs".to_owned();
    let shown = role::get_role::handle(&fixture.context, GetRoleRequest { role_name }).await;
    let shown = shown.unwrap().role;
    assert_eq!(
        (&shown.role_name, &shown.role_id),
        (&made.role_name, &made.role_id)
    );
    let trust = shown.assume_role_policy_document.unwrap();
    let trust = crate::wire::percent::text(&trust).unwrap().into_owned();
    assert_eq!(trust, TRUST);
    refused(
        make_role(&fixture, "RUNS").await,
        Exception::EntityAlreadyExists,
        "Role with name RUNS already exists.",
    );
    let role_name = "walks".to_owned();
    refused(
        role::get_role::handle(&fixture.context, GetRoleRequest { role_name }).await,
        Exception::NoSuchEntity,
        "The role with name walks cannot be found.",
    );
    let broken = CreateRoleRequest {
        role_name: "broken".to_owned(),
        assume_role_policy_document: "{".to_owned(),
        ..Default::default()
    };
    refused(
        role::create_role::handle(&fixture.context, broken).await,
        Exception::MalformedPolicyDocument,
        "Syntax errors in policy.",
    );
}

#[tokio::test]
async fn what_a_role_has_goes_before_the_role() {
    let fixture = Fixture::new().await;
    make_role(&fixture, "runs").await.unwrap();
    attach(&fixture, "runs", BASIC).await.unwrap();
    let own = make_policy(&fixture, "reads").await.unwrap();
    attach(&fixture, "runs", &own).await.unwrap();
    for (arn, message) in [
        ("reads", "ARN reads is not valid."),
        (
            "arn:aws:iam::000000000000:role/runs",
            "ARN arn:aws:iam::000000000000:role/runs is not valid.",
        ),
    ] {
        refused(
            attach(&fixture, "runs", arn).await,
            Exception::InvalidInput,
            message,
        );
    }
    for arn in [
        "arn:aws:iam::aws:policy/Nonsense",
        "arn:aws:iam::000000000000:policy/x",
        "arn:aws:iam::000000000000:policy/a/reads",
    ] {
        let message = format!("Policy {arn} does not exist or is not attachable.");
        refused(
            attach(&fixture, "runs", arn).await,
            Exception::NoSuchEntity,
            &message,
        );
    }
    refused(
        delete_role(&fixture, "runs").await,
        Exception::DeleteConflict,
        "Cannot delete entity, must detach all policies first.",
    );
    let policy_arn = own.clone();
    refused(
        managed::delete_policy::handle(&fixture.context, DeletePolicyRequest { policy_arn }).await,
        Exception::DeleteConflict,
        "Cannot delete a policy attached to entities.",
    );
    for arn in [BASIC, &own] {
        let input = || DetachRolePolicyRequest {
            role_name: "runs".to_owned(),
            policy_arn: arn.to_owned(),
        };
        let context = &fixture.context;
        attached::detach_role_policy::handle(context, input())
            .await
            .unwrap();
        refused(
            attached::detach_role_policy::handle(context, input()).await,
            Exception::NoSuchEntity,
            &format!("Policy {arn} was not found."),
        );
    }
    delete_role(&fixture, "runs").await.unwrap();
}

#[tokio::test]
async fn no_user_is_called_as_a_key_of_the_accounts_own() {
    let fixture = Fixture::new().await;
    let keys = fixture.context.deps.store.keys();
    let account = &fixture.context.caller.account;
    keys.administrator(account).await.unwrap();
    let refused = make_user(&fixture, "Administrator").await.unwrap_err();
    assert_eq!(refused.exception, Exception::EntityAlreadyExists);
    make_user(&fixture, "ada").await.unwrap();
}

#[tokio::test]
async fn lists_go_by_pages_and_paths() {
    let fixture = Fixture::new().await;
    for number in 0..5 {
        let input = CreateUserRequest {
            user_name: format!("u{number}"),
            path: Some(if number < 3 { "/team/" } else { "/" }.to_owned()),
            ..Default::default()
        };
        user::create_user::handle(&fixture.context, input)
            .await
            .unwrap();
    }
    let list = async |marker: Option<String>, prefix: Option<&str>| {
        let input = ListUsersRequest {
            path_prefix: prefix.map(str::to_owned),
            marker,
            max_items: Some(2),
        };
        user::list_users::handle(&fixture.context, input).await
    };
    let mut seen = Vec::new();
    let mut marker = None;
    loop {
        let page = list(marker, None).await.unwrap();
        assert_eq!(page.is_truncated, Some(page.marker.is_some()));
        seen.extend(page.users.into_iter().map(|user| user.user_name));
        marker = page.marker;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["u0", "u1", "u2", "u3", "u4"]);
    let page = list(None, Some("/team/")).await.unwrap();
    assert_eq!((page.users.len(), page.is_truncated), (2, Some(true)));
    assert_eq!(page.users[0].arn, "arn:aws:iam::000000000000:user/team/u0");
    refused(
        list(Some("!".to_owned()), None).await,
        Exception::Validation,
        "Invalid Marker.",
    );
}

#[tokio::test]
async fn keys_are_a_users_and_two_at_most() {
    let fixture = Fixture::new().await;
    make_user(&fixture, "ann").await.unwrap();
    make_user(&fixture, "bob").await.unwrap();
    let context = &fixture.context;
    let make = async |user: &str| {
        let user_name = Some(user.to_owned());
        access_key::create_access_key::handle(context, CreateAccessKeyRequest { user_name }).await
    };
    let key = make("ann").await.unwrap().access_key;
    assert_eq!(
        (key.user_name.as_str(), key.status.as_str()),
        ("ann", "Active")
    );
    make("ann").await.unwrap();
    refused(
        make("ann").await,
        Exception::QuotaExceeded,
        "Cannot exceed quota for AccessKeysPerUser: 2",
    );
    let update = async |user: &str, status: &str| {
        let input = UpdateAccessKeyRequest {
            user_name: Some(user.to_owned()),
            access_key_id: key.access_key_id.clone(),
            status: status.to_owned(),
        };
        access_key::update_access_key::handle(context, input).await
    };
    let message = format!(
        "The Access Key with id {} cannot be found.",
        key.access_key_id
    );
    refused(
        update("bob", "Inactive").await,
        Exception::NoSuchEntity,
        &message,
    );
    update("ann", "Inactive").await.unwrap();
    let stored = context.deps.store.keys().get(&key.access_key_id).unwrap();
    assert!(!stored.active);
    let user_name = "ann".to_owned();
    refused(
        user::delete_user::handle(context, DeleteUserRequest { user_name }).await,
        Exception::DeleteConflict,
        "Cannot delete entity, must delete access keys first.",
    );
    let access_key_id = key.access_key_id.clone();
    let input = GetAccessKeyLastUsedRequest { access_key_id };
    let used = access_key::get_access_key_last_used::handle(context, input)
        .await
        .unwrap();
    assert_eq!(used.user_name.as_deref(), Some("ann"));
    assert_eq!(used.access_key_last_used.unwrap().service_name, "N/A");
}

#[tokio::test]
async fn versions_of_a_policy_come_and_go_and_awss_own_are_not_changed() {
    let fixture = Fixture::new().await;
    let context = &fixture.context;
    let arn = make_policy(&fixture, "reads").await.unwrap();
    let add = async |arn: &str, is_default| {
        let input = CreatePolicyVersionRequest {
            policy_arn: arn.to_owned(),
            policy_document: READS.to_owned(),
            set_as_default: Some(is_default),
        };
        managed::create_policy_version::handle(context, input).await
    };
    let made = add(&arn, true).await.unwrap().policy_version.unwrap();
    assert_eq!(
        (made.version_id.as_deref(), made.is_default_version),
        (Some("v2"), Some(true))
    );
    for _ in 3..=5 {
        add(&arn, false).await.unwrap();
    }
    refused(
        add(&arn, false).await,
        Exception::QuotaExceeded,
        "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.",
    );
    let delete = async |version: &str| {
        let input = DeletePolicyVersionRequest {
            policy_arn: arn.clone(),
            version_id: version.to_owned(),
        };
        managed::delete_policy_version::handle(context, input).await
    };
    refused(
        delete("v2").await,
        Exception::DeleteConflict,
        "Cannot delete the default version of a policy.",
    );
    delete("v1").await.unwrap();
    let message = format!("Policy {arn} version v1 does not exist or is not attachable.");
    refused(delete("v1").await, Exception::NoSuchEntity, &message);
    let refusal = add(BASIC, true).await.unwrap_err();
    assert_eq!(refusal.exception, Exception::AccessDenied);
    let input = GetPolicyVersionRequest {
        policy_arn: BASIC.to_owned(),
        version_id: "v1".to_owned(),
    };
    let shown = managed::get_policy_version::handle(context, input)
        .await
        .unwrap();
    let text = shown.policy_version.unwrap().document.unwrap();
    assert!(text.contains("logs%3APutLogEvents"), "{text}");
}

#[tokio::test]
async fn the_whole_account_is_told() {
    let fixture = Fixture::new().await;
    let context = &fixture.context;
    make_user(&fixture, "ann").await.unwrap();
    make_role(&fixture, "runs").await.unwrap();
    attach(&fixture, "runs", BASIC).await.unwrap();
    make_policy(&fixture, "reads").await.unwrap();
    let all = account::get_account_authorization_details::handle(context, Default::default());
    let all = all.await.unwrap();
    let policies = all.policies.unwrap();
    let names: Vec<_> = policies
        .iter()
        .filter_map(|one| one.policy_name.as_deref())
        .collect();
    assert_eq!(names, ["reads", "AWSLambdaBasicExecutionRole"]);
    assert_eq!(policies[1].attachment_count, Some(1));
    let attached = &all.role_detail_list.unwrap()[0].attached_managed_policies;
    assert_eq!(
        attached.as_ref().unwrap()[0].policy_arn.as_deref(),
        Some(BASIC)
    );
    let entities = managed::list_entities_for_policy::handle(
        context,
        ListEntitiesForPolicyRequest {
            policy_arn: BASIC.to_owned(),
            ..Default::default()
        },
    );
    let entities = entities.await.unwrap();
    assert_eq!(
        entities.policy_roles.unwrap()[0].role_name.as_deref(),
        Some("runs")
    );
    let summary = account::get_account_summary::handle(context, Default::default()).await;
    let summary = summary.unwrap().summary_map.unwrap();
    assert_eq!(
        (summary["Users"], summary["Roles"], summary["RolesQuota"]),
        (1, 1, 1_000)
    );
}
