//! The rows of secrets.

use kiln_types::{AccountId, Secret, SecretId};
use rusqlite::{Connection, OptionalExtension, params};

use super::value::{self, SecretValue};
use crate::document::Documents;
use crate::error::{Doing, Error};
use crate::vault::Vault;

/// Reads and writes them, sealed.
#[derive(Clone)]
pub(super) struct Rows {
    documents: Documents,
    vault: Vault,
}

impl Rows {
    pub(super) fn new(documents: Documents, vault: Vault) -> Self {
        Self { documents, vault }
    }

    pub(super) fn read(&self, from: &Connection, id: &SecretId) -> Result<Option<Secret>, Error> {
        let condition = "account = ?1 AND name = ?2";
        self.documents.find(from, condition, key(id), "read secret")
    }

    /// Not by `REPLACE`, which removes the row first and with it the values that refer to it.
    pub(super) fn write(&self, to: &Connection, secret: &Secret) -> Result<(), Error> {
        let which = || format!("secret {}", secret.id.name);
        let sealed = self
            .documents
            .encode(to, &secret.id.account, secret, which)?;
        let put = "INSERT INTO secret (account, name, document) VALUES (?1, ?2, ?3)
                   ON CONFLICT (account, name) DO UPDATE SET document = excluded.document";
        let [account, name] = key(&secret.id);
        let written = to.execute(put, params![account, name, sealed]);
        written.doing("write secret")?;
        Ok(())
    }

    pub(super) fn write_version(
        &self,
        to: &Connection,
        secret: &Secret,
        version: &str,
        value: &SecretValue,
    ) -> Result<(), Error> {
        let plain = value.to_plain();
        let what = what(secret, version);
        let sealed = self.vault.seal(to, &secret.id.account, &what, &plain)?;
        let put =
            "INSERT INTO secret_value (account, name, version, sealed) VALUES (?1, ?2, ?3, ?4)";
        let [account, name] = key(&secret.id);
        let written = to.execute(put, [account, name, version, &sealed]);
        written.doing("write what a secret says")?;
        Ok(())
    }

    /// Opens what [`sealed`] read.
    pub(super) fn open(
        &self,
        secret: &Secret,
        version: &str,
        sealed: &str,
    ) -> Result<SecretValue, Error> {
        let what = what(secret, version);
        let plain = self.vault.open(&secret.id.account, &what, sealed)?;
        value::of_plain(&plain).ok_or_else(|| Error::Damaged {
            what,
            why: "it is neither text nor bytes".to_owned(),
        })
    }
}

/// What a value is sealed as; the vault's list of columns says the same in SQL.
fn what(secret: &Secret, version: &str) -> String {
    format!("secret {} version {version}", secret.id.name)
}

pub(super) fn count(from: &Connection, account: &AccountId) -> Result<usize, Error> {
    let select = "SELECT count(*) FROM secret WHERE account = ?1";
    let counted = from.query_row(select, [account.as_str()], |row| row.get::<_, i64>(0));
    Ok(usize::try_from(counted.doing("count secrets")?).unwrap_or(usize::MAX))
}

pub(super) fn delete(to: &Connection, id: &SecretId) -> Result<(), Error> {
    let delete = "DELETE FROM secret WHERE account = ?1 AND name = ?2";
    to.execute(delete, key(id)).doing("delete secret")?;
    Ok(())
}

pub(super) fn sealed(
    from: &Connection,
    id: &SecretId,
    version: &str,
) -> rusqlite::Result<Option<String>> {
    let select =
        "SELECT sealed FROM secret_value WHERE account = ?1 AND name = ?2 AND version = ?3";
    let [account, name] = key(id);
    let mut statement = from.prepare_cached(select)?;
    let found = statement.query_row([account, name, version], |row| row.get(0));
    found.optional()
}

pub(super) fn delete_version(to: &Connection, id: &SecretId, version: &str) -> Result<(), Error> {
    let delete = "DELETE FROM secret_value WHERE account = ?1 AND name = ?2 AND version = ?3";
    let [account, name] = key(id);
    let deleted = to.execute(delete, [account, name, version]);
    deleted.doing("delete a version of a secret")?;
    Ok(())
}

fn key(id: &SecretId) -> [&str; 2] {
    [id.account.as_str(), id.name.as_str()]
}
