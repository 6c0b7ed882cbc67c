//! The rows of parameters.

use kiln_types::{AccountId, Parameter, ParameterId, ParameterVersion};
use rusqlite::{Connection, OptionalExtension, params};
use zeroize::Zeroizing;

use crate::document::Documents;
use crate::error::{Doing, Error};
use crate::vault::Vault;

/// Reads and writes them, sealed.
#[derive(Clone)]
pub(super) struct Rows {
    documents: Documents,
    versions: Documents,
    vault: Vault,
}

/// A version as it is kept.
pub(super) struct Sealed {
    pub(super) id: ParameterId,
    pub(super) number: u64,
    document: String,
    pub(super) text: String,
}

impl Rows {
    pub(super) fn new(documents: Documents, vault: Vault) -> Self {
        let versions = Documents::of(&vault, "parameter_version", "a version of a parameter");
        Self {
            documents,
            versions,
            vault,
        }
    }

    pub(super) fn read(
        &self,
        from: &Connection,
        id: &ParameterId,
    ) -> Result<Option<Parameter>, Error> {
        let condition = "account = ?1 AND name = ?2";
        self.documents
            .find(from, condition, key(id), "read parameter")
    }

    /// Not by `REPLACE`, which removes the row first and with it the versions that refer to it.
    pub(super) fn write(&self, to: &Connection, parameter: &Parameter) -> Result<(), Error> {
        let which = || format!("parameter {}", parameter.id.name);
        let account = &parameter.id.account;
        let sealed = self.documents.encode(to, account, parameter, which)?;
        let put = "INSERT INTO parameter (account, name, document) VALUES (?1, ?2, ?3)
                   ON CONFLICT (account, name) DO UPDATE SET document = excluded.document";
        let [account, name] = key(&parameter.id);
        let written = to.execute(put, params![account, name, sealed]);
        written.doing("write parameter")?;
        Ok(())
    }

    /// The latest version of a parameter.
    pub(super) fn write_version(
        &self,
        to: &Connection,
        parameter: &Parameter,
        value: &str,
    ) -> Result<(), Error> {
        let (owner, latest) = (&parameter.id.account, &parameter.latest);
        let which = || format!("parameter {}", parameter.id.name);
        let document = self.versions.encode(to, owner, latest, which)?;
        let what = what(&parameter.id, parameter.version);
        let sealed = self.vault.seal(to, owner, &what, value.as_bytes())?;
        let put = "INSERT INTO parameter_version (account, name, version, document, sealed)
                   VALUES (?1, ?2, ?3, ?4, ?5)";
        let [account, name] = key(&parameter.id);
        let row = params![account, name, parameter.version as i64, document, sealed];
        to.execute(put, row).doing("write what a parameter says")?;
        Ok(())
    }

    pub(super) fn version_of(&self, row: &Sealed) -> Result<ParameterVersion, Error> {
        self.versions.decode(&row.id.account, &row.document)
    }

    pub(super) fn open(&self, row: &Sealed) -> Result<Zeroizing<String>, Error> {
        let what = what(&row.id, row.number);
        let plain = self.vault.open(&row.id.account, &what, &row.text)?;
        match std::str::from_utf8(&plain) {
            Ok(text) => Ok(Zeroizing::new(text.to_owned())),
            Err(_) => Err(Error::Damaged {
                what,
                why: "it is no text".to_owned(),
            }),
        }
    }
}

/// What a text is sealed as; the vault's list of columns says the same in SQL.
fn what(id: &ParameterId, version: u64) -> String {
    format!("parameter {} version {version}", id.name)
}

pub(super) fn count(from: &Connection, account: &AccountId) -> Result<usize, Error> {
    let select = "SELECT count(*) FROM parameter WHERE account = ?1";
    let counted = from.query_row(select, [account.as_str()], |row| row.get::<_, i64>(0));
    Ok(usize::try_from(counted.doing("count parameters")?).unwrap_or(usize::MAX))
}

pub(super) fn delete(to: &Connection, id: &ParameterId) -> Result<bool, Error> {
    let delete = "DELETE FROM parameter WHERE account = ?1 AND name = ?2";
    Ok(to.execute(delete, key(id)).doing("delete parameter")? > 0)
}

/// A version, if it is there.
pub(super) fn version(
    from: &Connection,
    id: ParameterId,
    number: u64,
) -> rusqlite::Result<Option<Sealed>> {
    let select = "SELECT document, sealed FROM parameter_version
                  WHERE account = ?1 AND name = ?2 AND version = ?3";
    let [account, name] = key(&id);
    let mut statement = from.prepare_cached(select)?;
    let by = params![account, name, number as i64];
    let found = statement.query_row(by, |row| Ok((row.get(0)?, row.get(1)?)));
    let found = found.optional()?;
    Ok(found.map(|(document, text)| Sealed {
        id,
        number,
        document,
        text,
    }))
}

pub(super) fn delete_before(to: &Connection, id: &ParameterId, oldest: u64) -> Result<(), Error> {
    let delete = "DELETE FROM parameter_version WHERE account = ?1 AND name = ?2 AND version < ?3";
    let [account, name] = key(id);
    let deleted = to.execute(delete, params![account, name, oldest as i64]);
    deleted.doing("delete versions of a parameter")?;
    Ok(())
}

fn key(id: &ParameterId) -> [&str; 2] {
    [id.account.as_str(), id.name.as_str()]
}
