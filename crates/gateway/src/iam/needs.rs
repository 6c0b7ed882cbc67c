//! What operations on identities need to be allowed.
//!
//! Names are found whatever their case; the resource is spelled as it is kept, so that no other spelling gets around a policy.
//!
//! Source: "Actions, resources, and condition keys for AWS Identity and Access Management" in the service authorization reference.

use kiln_policy::keys;
use kiln_types::iam::{EntityName, PolicyArn};

use super::directory;
use super::generated::Operation;
use crate::access::{Guarded, Members, Need};
use crate::context::Identity;

impl Guarded for Operation {
    const SERVICE: &'static str = "iam";

    fn name(self) -> &'static str {
        Operation::name(self)
    }

    fn needs(self, of: &Members<'_>) -> Vec<Need> {
        use Operation::*;
        match self {
            CreateUser | CreateRole | CreateGroup | CreatePolicy => vec![new(self, of)],
            CreateServiceLinkedRole => vec![of.need(global(of, "role/aws-service-role/*"))],
            ListUsers => vec![of.need(global(of, "user/"))],
            ListGroups => vec![of.need(global(of, "group/"))],
            ListRoles => vec![of.need(global(of, "role/"))],
            GetAccessKeyLastUsed => vec![of.need(owner_of_key(of))],
            SimulateCustomPolicy => vec![of.need("*")],
            SimulatePrincipalPolicy => vec![of.need(of.text_or_empty("PolicySourceArn"))],
            AddUserToGroup | RemoveUserFromGroup => vec![of.need(named(of, "group", "GroupName"))],
            UpdateUser => renamed(of, "user", "UserName", "NewUserName"),
            UpdateGroup => renamed(of, "group", "GroupName", "NewGroupName"),
            _ => vec![
                of.need(subject(self, of))
                    .with(keys::IAM_POLICY_ARN, policy_given(self, of)),
            ],
        }
        .into_iter()
        .map(|need| need.with(keys::IAM_PERMISSIONS_BOUNDARY, boundary(of)))
        .collect()
    }
}

/// An ARN of the account, in no region.
fn global(of: &Members<'_>, resource: &str) -> String {
    format!("arn:aws:iam::{}:{resource}", of.context.caller.account)
}

/// What an operation is about: a role, a group, a user, or a policy; of users the one who calls where none is named.
fn subject(operation: Operation, of: &Members<'_>) -> String {
    let own = [
        ("role", "RoleName"),
        ("group", "GroupName"),
        ("user", "UserName"),
    ];
    if let Some((kind, member)) = own
        .into_iter()
        .find(|(_, member)| of.text(member).is_some())
    {
        return named(of, kind, member);
    }
    match of.text("PolicyArn") {
        Some(arn) => policy(of, arn),
        None if is_about_caller(operation) => calling(of),
        None => "*".to_owned(),
    }
}

fn is_about_caller(operation: Operation) -> bool {
    use Operation::*;
    matches!(
        operation,
        GetUser | CreateAccessKey | UpdateAccessKey | DeleteAccessKey | ListAccessKeys
    )
}

/// Who calls, as a resource.
fn calling(of: &Members<'_>) -> String {
    match &of.context.caller.identity {
        Identity::User(id) => {
            let directory = directory(of.context);
            let user = directory.user_by_id(id);
            user.map_or_else(|| "*".to_owned(), |user| user.arn(directory.account()))
        }
        _ => of.context.caller.arn.clone(),
    }
}

/// A user, a group or a role that is named.
fn named(of: &Members<'_>, kind: &str, member: &str) -> String {
    let text = of.text_or_empty(member);
    let directory = directory(of.context);
    let account = directory.account();
    let found = text.parse::<EntityName>().ok().and_then(|name| match kind {
        "user" => directory.user(&name).ok().map(|user| user.arn(account)),
        "group" => directory.group(&name).ok().map(|group| group.arn(account)),
        _ => directory.role(&name).ok().map(|role| role.arn(account)),
    });
    found.unwrap_or_else(|| global(of, &format!("{kind}/{text}")))
}

/// A policy that is named by its ARN.
fn policy(of: &Members<'_>, arn: &str) -> String {
    let directory = directory(of.context);
    let read = arn.parse::<PolicyArn>().ok();
    let kept = read.and_then(|arn| Some(directory.policy(&arn).ok()?.arn(directory.account())));
    kept.map_or_else(|| arn.to_owned(), |arn| arn.to_string())
}

/// What does not exist yet, under its path.
fn new(operation: Operation, of: &Members<'_>) -> Need {
    let (kind, member) = match operation {
        Operation::CreateUser => ("user", "UserName"),
        Operation::CreateRole => ("role", "RoleName"),
        Operation::CreateGroup => ("group", "GroupName"),
        _ => ("policy", "PolicyName"),
    };
    let path = of.text("Path").unwrap_or("/");
    of.need(global(
        of,
        &format!("{kind}{path}{}", of.text_or_empty(member)),
    ))
}

/// Who may rename must be allowed to under both names.
fn renamed(of: &Members<'_>, kind: &str, member: &str, new: &str) -> Vec<Need> {
    let present = named(of, kind, member);
    let path = match of.text("NewPath") {
        Some(path) => format!("{kind}{path}"),
        None => {
            let resource = present.splitn(6, ':').nth(5).unwrap_or_default();
            let path = resource.rsplit_once('/').map_or(kind, |(path, _)| path);
            format!("{path}/")
        }
    };
    let name = of.text(new).or_else(|| present.rsplit('/').next());
    let later = global(of, &format!("{path}{}", name.unwrap_or_default()));
    match later == present {
        true => vec![of.need(present)],
        false => vec![of.need(present), of.need(later)],
    }
}

fn owner_of_key(of: &Members<'_>) -> String {
    let key = of
        .context
        .deps
        .store
        .keys()
        .get(of.text_or_empty("AccessKeyId"));
    let directory = directory(of.context);
    let user = key.and_then(|key| {
        Some(
            directory
                .user_by_id(key.user.as_ref()?)?
                .arn(directory.account()),
        )
    });
    user.unwrap_or_else(|| "*".to_owned())
}

/// The policy that is given to somebody, or taken.
fn policy_given(operation: Operation, of: &Members<'_>) -> Option<String> {
    let name = operation.name();
    let is_given = name.starts_with("Attach") || name.starts_with("Detach");
    let arn = of.text("PolicyArn").filter(|_| is_given)?;
    Some(policy(of, arn))
}

/// The boundary that somebody will have, or has.
fn boundary(of: &Members<'_>) -> Option<String> {
    if let Some(arn) = of.text("PermissionsBoundary") {
        return Some(policy(of, arn));
    }
    let directory = directory(of.context);
    let name = |member| of.text(member)?.parse::<EntityName>().ok();
    let role = name("RoleName").and_then(|name| directory.role(&name).ok()?.boundary.clone());
    let user = || name("UserName").and_then(|name| directory.user(&name).ok()?.boundary.clone());
    let arn = role.or_else(user);
    arn.map(|arn| policy(of, &arn.to_string()))
}
