//! Calls of Identity and Access Management.

use anyhow::Result;

use super::query::{members, pages, text};
use super::{Client, Service};

/// A user or a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) created: String,
}

/// An access key without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) is_active: bool,
    pub(crate) created: String,
}

/// An access key that was made just now.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct NewKey {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// Whose an access key is, and its last use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyUse {
    /// None: the account's own.
    pub(crate) user: Option<String>,
    pub(crate) at: Option<String>,
    pub(crate) service: Option<String>,
}

impl Client {
    /// All users.
    pub(crate) async fn users(&self) -> Result<Vec<Identity>> {
        let pages = self.identity_pages("ListUsers", &[]).await?;
        Ok(identities(&pages, "UserName"))
    }

    /// All roles.
    pub(crate) async fn roles(&self) -> Result<Vec<Identity>> {
        let pages = self.identity_pages("ListRoles", &[]).await?;
        Ok(identities(&pages, "RoleName"))
    }

    /// The keys of a user, or of whoever calls.
    pub(crate) async fn keys(&self, user: Option<&str>) -> Result<Vec<Key>> {
        let pages = self.identity_pages("ListAccessKeys", &of(user)).await?;
        let members = pages.iter().flat_map(|page| members(page));
        let key = |one: &str| {
            Some(Key {
                id: text(one, "AccessKeyId")?,
                is_active: text(one, "Status")? == "Active",
                created: text(one, "CreateDate")?,
            })
        };
        Ok(members.filter_map(key).collect())
    }

    /// Makes a key.
    pub(crate) async fn create_key(&self, user: Option<&str>) -> Result<NewKey> {
        let answer = self.identity_call("CreateAccessKey", &of(user)).await?;
        Ok(NewKey {
            id: text(&answer, "AccessKeyId").unwrap_or_default(),
            secret: text(&answer, "SecretAccessKey").unwrap_or_default(),
        })
    }

    /// Switches a key on or off.
    pub(crate) async fn switch_key(
        &self,
        user: Option<&str>,
        id: &str,
        is_active: bool,
    ) -> Result<()> {
        let status = if is_active { "Active" } else { "Inactive" };
        let mut form = of(user);
        form.push(("AccessKeyId".to_owned(), id.to_owned()));
        form.push(("Status".to_owned(), status.to_owned()));
        self.identity_call("UpdateAccessKey", &form)
            .await
            .map(|_| ())
    }

    /// Forgets a key.
    pub(crate) async fn delete_key(&self, user: Option<&str>, id: &str) -> Result<()> {
        let mut form = of(user);
        form.push(("AccessKeyId".to_owned(), id.to_owned()));
        self.identity_call("DeleteAccessKey", &form)
            .await
            .map(|_| ())
    }

    /// Whose a key is, and when and for what it was last used.
    pub(crate) async fn key_use(&self, id: &str) -> Result<KeyUse> {
        let form = [("AccessKeyId".to_owned(), id.to_owned())];
        let answer = self.identity_call("GetAccessKeyLastUsed", &form).await?;
        Ok(KeyUse {
            user: text(&answer, "UserName"),
            at: text(&answer, "LastUsedDate"),
            service: text(&answer, "ServiceName").filter(|service| service != "N/A"),
        })
    }

    /// All pages of a list.
    async fn identity_pages(
        &self,
        operation: &'static str,
        form: &[(String, String)],
    ) -> Result<Vec<String>> {
        let call = async |form: Vec<_>| self.identity_call(operation, &form).await;
        pages("Marker", form, call).await
    }

    async fn identity_call(
        &self,
        operation: &'static str,
        form: &[(String, String)],
    ) -> Result<String> {
        let version = "2010-05-08";
        self.query(Service::Iam, version, operation, form).await
    }
}

fn of(user: Option<&str>) -> Vec<(String, String)> {
    let named = user.map(|user| ("UserName".to_owned(), user.to_owned()));
    named.into_iter().collect()
}

fn identities(pages: &[String], name: &str) -> Vec<Identity> {
    let members = pages.iter().flat_map(|page| members(page));
    let identity = |one: &str| {
        Some(Identity {
            name: text(one, name)?,
            arn: text(one, "Arn")?,
            created: text(one, "CreateDate")?,
        })
    };
    members.filter_map(identity).collect()
}
