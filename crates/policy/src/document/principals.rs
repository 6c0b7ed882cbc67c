//! `Principal` and `NotPrincipal`: whom a statement of a resource's policy is about.

use super::Error;
use super::raw::{Listed, NameKind, Names};
use crate::principal::{Kind, Principal, account_of, is_account};

/// Whom a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Principals {
    is_negated: bool,
    names: Box<[Name]>,
}

/// How directly a statement names who asks, which decides what else must allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// By the account: its own policies still have to.
    Account,
    /// By the role of the session, or the user behind it: boundaries and session policies still narrow it.
    Parent,
    /// By name, or as one of everybody.
    Direct,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Everyone,
    Account(Box<str>),
    Arn(Box<str>),
    UniqueId(Box<str>),
    Service(Box<str>),
    Federated(Box<str>),
    CanonicalUser(Box<str>),
}

impl Principals {
    pub(super) fn compile(listed: &Listed<Vec<Names>>) -> Result<Self, Error> {
        let of_kind = |of: &Names| {
            let names = of.names.iter().map(|name| Name::read(of.kind, name));
            names.collect::<Result<Vec<_>, _>>()
        };
        let names: Vec<Vec<Name>> = listed
            .values
            .iter()
            .map(of_kind)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            is_negated: listed.is_negated,
            names: names.into_iter().flatten().collect(),
        })
    }

    pub(super) fn is_negated(&self) -> bool {
        self.is_negated
    }

    /// How it names a principal; none when it does not. Whoever `NotPrincipal` does not leave out it names directly.
    pub(super) fn reach(&self, principal: &Principal) -> Option<Reach> {
        if self.is_negated {
            return (!self.leaves_out(principal)).then_some(Reach::Direct);
        }
        let reaches = self.names.iter().filter_map(|name| name.reach(principal));
        reaches.max()
    }

    /// Whether `NotPrincipal` leaves a principal out: it must list the principal, the role or user behind it, and its account,
    /// as what is not listed of these is still meant (IAM user guide, "NotPrincipal").
    fn leaves_out(&self, principal: &Principal) -> bool {
        let lists = |test: &dyn Fn(&Name) -> bool| self.names.iter().any(test);
        if lists(&|name| *name == Name::Everyone) {
            return true;
        }
        let itself = lists(&|name| match name {
            Name::Account(_) => principal.kind() == Kind::Root && name.reach(principal).is_some(),
            name => name.reach(principal) == Some(Reach::Direct),
        });
        let parent = principal
            .parent()
            .is_none_or(|parent| lists(&|name| matches!(name, Name::Arn(arn) if **arn == *parent)));
        let account = principal.account().is_none_or(|account| {
            lists(&|name| matches!(name, Name::Account(listed) if **listed == *account))
        });
        itself && parent && account
    }
}

impl Name {
    fn read(kind: NameKind, name: &str) -> Result<Self, Error> {
        let invalid = |kind| Error::InvalidPrincipal {
            kind,
            name: name.to_owned(),
        };
        let has_wildcards = name.is_empty() || name.contains(['*', '?']);
        match kind {
            NameKind::Everyone => Ok(Self::Everyone),
            NameKind::Aws => Self::of_aws(name).ok_or_else(|| invalid("AWS")),
            NameKind::Service if has_wildcards => Err(invalid("SERVICE")),
            NameKind::Service => Ok(Self::Service(name.into())),
            NameKind::Federated if has_wildcards => Err(invalid("FEDERATED")),
            NameKind::Federated => Ok(Self::Federated(name.into())),
            NameKind::CanonicalUser if has_wildcards => Err(invalid("CANONICALUSER")),
            NameKind::CanonicalUser => Ok(Self::CanonicalUser(name.into())),
        }
    }

    /// `*`, an account, its ARN, the ARN of a user, role or session, or a unique id. A wildcard in one is refused: on AWS none
    /// matches a part of a name.
    fn of_aws(name: &str) -> Option<Self> {
        if name == "*" {
            return Some(Self::Everyone);
        }
        if is_account(name) {
            return Some(Self::Account(name.into()));
        }
        if name.contains(['*', '?']) {
            return None;
        }
        let Some(account) = account_of(name) else {
            let is_id = name.len() >= 16
                && name.starts_with('A')
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
            return is_id.then(|| Self::UniqueId(name.into()));
        };
        let mut parts = name.splitn(6, ':').skip(2);
        let service = parts.next();
        let entity = parts.nth(2).unwrap_or_default();
        match (service, entity.split('/').next()) {
            (Some("iam"), Some("root")) if entity == "root" => Some(Self::Account(account.into())),
            (Some("iam"), Some("user" | "role"))
            | (Some("sts"), Some("assumed-role" | "federated-user")) => {
                entity.contains('/').then(|| Self::Arn(name.into()))
            }
            _ => None,
        }
    }

    fn reach(&self, principal: &Principal) -> Option<Reach> {
        let direct = |is: bool| is.then_some(Reach::Direct);
        match self {
            Self::Everyone => Some(Reach::Direct),
            Self::Account(account) => {
                let is_in_it = principal.account() == Some(&**account);
                let reach = match principal.kind() {
                    Kind::Root => Reach::Direct,
                    _ => Reach::Account,
                };
                is_in_it.then_some(reach)
            }
            Self::Arn(arn) if principal.parent() == Some(&**arn) => Some(Reach::Parent),
            Self::Arn(arn) => direct(principal.account().is_some() && principal.arn() == &**arn),
            Self::UniqueId(id) => {
                let reach = match principal.kind() {
                    Kind::RoleSession => Reach::Parent,
                    _ => Reach::Direct,
                };
                (principal.unique_id() == Some(&**id)).then_some(reach)
            }
            Self::Service(name) => {
                direct(principal.kind() == Kind::Service && principal.arn() == &**name)
            }
            Self::Federated(name) => {
                direct(principal.kind() == Kind::Provider && principal.arn() == &**name)
            }
            // It is another name of an account.
            Self::CanonicalUser(id) => {
                (principal.canonical_user() == Some(&**id)).then_some(Reach::Account)
            }
        }
    }
}
