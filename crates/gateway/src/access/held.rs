//! The policies that somebody holds, read.

use std::sync::Arc;

use kiln_policy::{Attached, Policy, PolicyKind};
use kiln_types::iam::{Directory, Grants, Group, PolicyArn, Role, Tags, User};

use super::{Holder, NoSubject};
use crate::iam::aws_managed;

/// What the account itself holds where it is asked as if it were a user.
const EVERYTHING: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;

/// What decides of a user or a role.
#[derive(Clone, Default)]
pub(crate) struct Held {
    pub(super) arn: String,
    /// Its unique id.
    pub(super) id: String,
    /// Its own policies, and those of its groups.
    pub(crate) identity: Vec<Named>,
    pub(crate) boundary: Option<Named>,
    pub(super) tags: Tags,
}

/// A policy and what it is called.
#[derive(Clone)]
pub(crate) struct Named {
    pub(super) name: Arc<str>,
    pub(crate) policy: Arc<Policy>,
}

/// A policy that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the {name} cannot be read ({why}); put it anew")]
pub(crate) struct Unreadable {
    pub(crate) name: String,
    pub(crate) why: String,
}

impl Named {
    /// Reads its text.
    pub(crate) fn read(kind: PolicyKind, name: String, text: &str) -> Result<Self, Unreadable> {
        match Policy::parse(kind, text) {
            Ok(policy) => Ok(Self {
                name: name.into(),
                policy: Arc::new(policy),
            }),
            Err(error) => Err(Unreadable {
                name,
                why: error.to_string(),
            }),
        }
    }

    pub(super) fn attached(&self) -> Attached<'_> {
        Attached {
            name: &self.name,
            policy: &self.policy,
        }
    }
}

impl Held {
    /// Reads what somebody holds.
    pub(super) fn read(directory: &Directory, of: Holder<'_>) -> Result<Self, NoSubject> {
        match of {
            Holder::Account => Self::of_account(directory),
            Holder::User(id) => match directory.user_by_id(id) {
                Some(user) => Self::of_user(directory, user),
                None => Err(NoSubject::Missing(format!("the user {id}"))),
            },
            Holder::Group(id) => match directory.groups().find(|group| group.id == *id) {
                Some(group) => Self::of_group(directory, group),
                None => Err(NoSubject::Missing(format!("the group {id}"))),
            },
            Holder::Role(id) => match directory.roles().find(|role| role.id == *id) {
                Some(role) => Self::of_role(directory, role),
                None => Err(NoSubject::Missing(format!("the role {id}"))),
            },
        }
    }

    fn of_account(directory: &Directory) -> Result<Self, NoSubject> {
        let account = directory.account();
        let everything = Named::read(PolicyKind::Managed, "everything".to_owned(), EVERYTHING)?;
        Ok(Self {
            arn: format!("arn:aws:iam::{account}:root"),
            id: account.to_string(),
            identity: vec![everything],
            boundary: None,
            tags: Tags::new(),
        })
    }

    fn of_user(directory: &Directory, user: &User) -> Result<Self, NoSubject> {
        let mut identity = policies(directory, &user.grants, &format!("user/{}", user.name))?;
        for name in &user.groups {
            let Ok(group) = directory.group(name) else {
                continue;
            };
            let of = format!("group/{}", group.name);
            identity.extend(policies(directory, &group.grants, &of)?);
        }
        Ok(Self {
            arn: user.arn(directory.account()),
            id: user.id.to_string(),
            identity,
            boundary: boundary(directory, user.boundary.as_ref())?,
            tags: user.tags.clone(),
        })
    }

    fn of_group(directory: &Directory, group: &Group) -> Result<Self, NoSubject> {
        Ok(Self {
            arn: group.arn(directory.account()),
            id: group.id.to_string(),
            identity: policies(directory, &group.grants, &format!("group/{}", group.name))?,
            boundary: None,
            tags: Tags::new(),
        })
    }

    fn of_role(directory: &Directory, role: &Role) -> Result<Self, NoSubject> {
        Ok(Self {
            arn: role.arn(directory.account()),
            id: role.id.to_string(),
            identity: policies(directory, &role.grants, &format!("role/{}", role.name))?,
            boundary: boundary(directory, role.boundary.as_ref())?,
            tags: role.tags.clone(),
        })
    }
}

fn policies(directory: &Directory, grants: &Grants, of: &str) -> Result<Vec<Named>, Unreadable> {
    let attached = grants.attached.iter().map(|arn| managed(directory, arn));
    let inline = grants.inline.iter().map(|(name, text)| {
        let name = format!("policy {name} of {of}");
        Named::read(PolicyKind::Inline, name, text)
    });
    attached.chain(inline).collect()
}

fn boundary(directory: &Directory, arn: Option<&PolicyArn>) -> Result<Option<Named>, Unreadable> {
    arn.map(|arn| managed(directory, arn)).transpose()
}

/// A managed policy: the account's, or AWS's own.
pub(super) fn managed(directory: &Directory, arn: &PolicyArn) -> Result<Named, Unreadable> {
    let own = directory.policy(arn).ok();
    let text = match own {
        Some(policy) => Some(policy.in_force().document.as_str()),
        None => aws_managed::find(arn).map(|policy| policy.document),
    };
    match text {
        Some(text) => Named::read(PolicyKind::Managed, arn.to_string(), text),
        None => Err(Unreadable {
            name: format!("policy {arn}"),
            why: "it does not exist".to_owned(),
        }),
    }
}
