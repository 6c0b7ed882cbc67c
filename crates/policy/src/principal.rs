//! Who asks.

/// Who makes a request, as far as policies tell principals apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    kind: Kind,
    /// The ARN that messages name and policies may name; of a service and a provider their name.
    arn: String,
    /// The role of a session, or the user behind a federated one.
    parent: Option<String>,
    unique_id: Option<String>,
    canonical_user: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Anonymous,
    Root,
    User,
    RoleSession,
    FederatedUser,
    Service,
    Provider,
}

/// A text that is no ARN with an account of twelve digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the ARN of a principal: write arn:<partition>:<service>::<account>:<name>")]
pub struct InvalidArn(pub String);

impl Principal {
    /// Nobody showed credentials.
    pub fn anonymous() -> Self {
        Self::new(Kind::Anonymous, "anonymous".to_owned())
    }

    /// The root user of an account: `arn:aws:iam::<account>:root`.
    pub fn root(arn: impl Into<String>) -> Result<Self, InvalidArn> {
        Self::of_account(Kind::Root, arn.into())
    }

    /// A user: `arn:aws:iam::<account>:user/<path and name>`.
    pub fn user(arn: impl Into<String>) -> Result<Self, InvalidArn> {
        Self::of_account(Kind::User, arn.into())
    }

    /// A session of the role `arn:aws:iam::<account>:role/<path and name>`; its own ARN,
    /// `arn:aws:sts::<account>:assumed-role/<name>/<session>`, leaves the path out.
    pub fn role_session(role_arn: impl Into<String>, session: &str) -> Result<Self, InvalidArn> {
        let role = role_arn.into();
        let (Some(account), Some(partition), Some((_, name))) = (
            account_of(&role),
            role.split(':').nth(1),
            role.rsplit_once('/'),
        ) else {
            return Err(InvalidArn(role));
        };
        let arn = format!("arn:{partition}:sts::{account}:assumed-role/{name}/{session}");
        let mut principal = Self::of_account(Kind::RoleSession, arn)?;
        principal.parent = Some(role);
        Ok(principal)
    }

    /// A session of `GetFederationToken`, `arn:aws:sts::<account>:federated-user/<name>`, and the user that asked for it.
    pub fn federated_user(
        arn: impl Into<String>,
        user_arn: impl Into<String>,
    ) -> Result<Self, InvalidArn> {
        let mut principal = Self::of_account(Kind::FederatedUser, arn.into())?;
        principal.parent = Some(user_arn.into());
        Ok(principal)
    }

    /// A service with its own credentials, such as `events.amazonaws.com`.
    pub fn service(name: impl Into<String>) -> Self {
        Self::new(Kind::Service, name.into())
    }

    /// Somebody whom a provider of identities vouches for, before a role is assumed: the provider's ARN or host name.
    pub fn provider(name: impl Into<String>) -> Self {
        Self::new(Kind::Provider, name.into())
    }

    /// With its unique id: a user's `AIDA…`, a role's `AROA…` (of a session too).
    #[must_use]
    pub fn with_unique_id(mut self, id: impl Into<String>) -> Self {
        self.unique_id = Some(id.into());
        self
    }

    /// With the canonical id of its account, which policies of S3 may name.
    #[must_use]
    pub fn with_canonical_user(mut self, id: impl Into<String>) -> Self {
        self.canonical_user = Some(id.into());
        self
    }

    /// What messages call it: its ARN, a name, or `anonymous`.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Its account, if it has one.
    pub fn account(&self) -> Option<&str> {
        match self.kind {
            Kind::Anonymous | Kind::Service | Kind::Provider => None,
            _ => account_of(&self.arn),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn parent(&self) -> Option<&str> {
        self.parent.as_deref()
    }

    pub(crate) fn unique_id(&self) -> Option<&str> {
        self.unique_id.as_deref()
    }

    pub(crate) fn canonical_user(&self) -> Option<&str> {
        self.canonical_user.as_deref()
    }

    fn new(kind: Kind, arn: String) -> Self {
        Self {
            kind,
            arn,
            parent: None,
            unique_id: None,
            canonical_user: None,
        }
    }

    fn of_account(kind: Kind, arn: String) -> Result<Self, InvalidArn> {
        match account_of(&arn) {
            Some(_) => Ok(Self::new(kind, arn)),
            None => Err(InvalidArn(arn)),
        }
    }
}

/// The account of an ARN.
pub(crate) fn account_of(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    let is_arn = parts.next() == Some("arn");
    let account = parts.nth(3)?;
    (is_arn && parts.next().is_some() && is_account(account)).then_some(account)
}

/// Whether it is the number of an account.
pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_named_without_its_roles_path() {
        let session = Principal::role_session("arn:aws:iam::111122223333:role/team/deploy", "ci");
        let session = session.unwrap();
        assert_eq!(
            session.arn(),
            "arn:aws:sts::111122223333:assumed-role/deploy/ci"
        );
        assert_eq!(session.account(), Some("111122223333"));
        assert_eq!(
            session.parent(),
            Some("arn:aws:iam::111122223333:role/team/deploy")
        );
    }

    #[test]
    fn what_has_no_account_is_no_principal_of_one() {
        for arn in [
            "",
            "ada",
            "arn:aws:iam::1:user/ada",
            "arn:aws:iam::111122223333",
            "a:b:c:d:111122223333:e",
        ] {
            assert!(Principal::user(arn).is_err(), "{arn}");
            assert!(Principal::role_session(arn, "s").is_err(), "{arn}");
        }
        assert_eq!(Principal::service("s3.amazonaws.com").account(), None);
        assert_eq!(Principal::anonymous().arn(), "anonymous");
    }
}
