//! The rows of secrets.

use kiln_types::{AccountId, Secret, SecretId};
use rusqlite::{Connection, OptionalExtension, params};

use crate::document;
use crate::error::{Doing, Error};

pub(super) fn read(from: &Connection, id: &SecretId) -> Result<Option<Secret>, Error> {
    let select = "SELECT document FROM secret WHERE account = ?1 AND name = ?2";
    let mut statement = from.prepare_cached(select).doing("read secret")?;
    let found = statement.query_row(key(id), |row| row.get::<_, String>(0));
    let found = found.optional().doing("read secret")?;
    let decode = |text: String| document::decode(&text, "a secret");
    found.map(decode).transpose()
}

pub(super) fn count(from: &Connection, account: &AccountId) -> Result<usize, Error> {
    let select = "SELECT count(*) FROM secret WHERE account = ?1";
    let counted = from.query_row(select, [account.as_str()], |row| row.get::<_, i64>(0));
    Ok(usize::try_from(counted.doing("count secrets")?).unwrap_or(usize::MAX))
}

/// Not by `REPLACE`, which removes the row first and with it the values that refer to it.
pub(super) fn write(to: &Connection, secret: &Secret) -> Result<(), Error> {
    let document = document::encode(secret, || format!("secret {}", secret.id.name))?;
    let put = "INSERT INTO secret (account, name, document) VALUES (?1, ?2, ?3)
               ON CONFLICT (account, name) DO UPDATE SET document = excluded.document";
    let [account, name] = key(&secret.id);
    let written = to.execute(put, params![account, name, document]);
    written.doing("write secret")?;
    Ok(())
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

pub(super) fn write_version(
    to: &Connection,
    id: &SecretId,
    version: &str,
    sealed: &str,
) -> Result<(), Error> {
    let put = "INSERT INTO secret_value (account, name, version, sealed) VALUES (?1, ?2, ?3, ?4)";
    let [account, name] = key(id);
    let written = to.execute(put, [account, name, version, sealed]);
    written.doing("write what a secret says")?;
    Ok(())
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
