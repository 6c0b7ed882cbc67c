//! The rows of parameters.

use kiln_types::{AccountId, Parameter, ParameterId};
use rusqlite::{Connection, OptionalExtension, params};

use crate::document;
use crate::error::{Doing, Error};

pub(super) fn read(from: &Connection, id: &ParameterId) -> Result<Option<Parameter>, Error> {
    let select = "SELECT document FROM parameter WHERE account = ?1 AND name = ?2";
    let mut statement = from.prepare_cached(select).doing("read parameter")?;
    let found = statement.query_row(key(id), |row| row.get::<_, String>(0));
    let found = found.optional().doing("read parameter")?;
    let decode = |text: String| document::decode(&text, "a parameter");
    found.map(decode).transpose()
}

pub(super) fn count(from: &Connection, account: &AccountId) -> Result<usize, Error> {
    let select = "SELECT count(*) FROM parameter WHERE account = ?1";
    let counted = from.query_row(select, [account.as_str()], |row| row.get::<_, i64>(0));
    Ok(usize::try_from(counted.doing("count parameters")?).unwrap_or(usize::MAX))
}

/// Not by `REPLACE`, which removes the row first and with it the versions that refer to it.
pub(super) fn write(to: &Connection, parameter: &Parameter) -> Result<(), Error> {
    let document = document::encode(parameter, || format!("parameter {}", parameter.id.name))?;
    let put = "INSERT INTO parameter (account, name, document) VALUES (?1, ?2, ?3)
               ON CONFLICT (account, name) DO UPDATE SET document = excluded.document";
    let [account, name] = key(&parameter.id);
    let written = to.execute(put, params![account, name, document]);
    written.doing("write parameter")?;
    Ok(())
}

pub(super) fn delete(to: &Connection, id: &ParameterId) -> Result<bool, Error> {
    let delete = "DELETE FROM parameter WHERE account = ?1 AND name = ?2";
    Ok(to.execute(delete, key(id)).doing("delete parameter")? > 0)
}

/// The document of a version and its text, sealed.
pub(super) fn version(
    from: &Connection,
    id: &ParameterId,
    number: u64,
) -> rusqlite::Result<Option<(String, String)>> {
    let select = "SELECT document, sealed FROM parameter_version
                  WHERE account = ?1 AND name = ?2 AND version = ?3";
    let [account, name] = key(id);
    let mut statement = from.prepare_cached(select)?;
    let by = params![account, name, number as i64];
    let found = statement.query_row(by, |row| Ok((row.get(0)?, row.get(1)?)));
    found.optional()
}

/// The latest version of a parameter.
pub(super) fn write_version(
    to: &Connection,
    parameter: &Parameter,
    sealed: &str,
) -> Result<(), Error> {
    let latest = &parameter.latest;
    let document = document::encode(latest, || format!("parameter {}", parameter.id.name))?;
    let put = "INSERT INTO parameter_version (account, name, version, document, sealed)
               VALUES (?1, ?2, ?3, ?4, ?5)";
    let [account, name] = key(&parameter.id);
    let row = params![account, name, parameter.version as i64, document, sealed];
    to.execute(put, row).doing("write what a parameter says")?;
    Ok(())
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
