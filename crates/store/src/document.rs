//! Definitions as they are kept: a JSON document a row, in `meta.db` a sealed one.

use kiln_types::AccountId;
use rusqlite::{Connection, Params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::database::Database;
use crate::error::{Doing, Error};
use crate::vault::Vault;

/// The documents of a table of `meta.db`, each sealed as its account's.
#[derive(Clone)]
pub(crate) struct Documents {
    vault: Vault,
    table: &'static str,
    /// Such as `a function`: said of one that is damaged.
    what: &'static str,
}

impl Documents {
    /// Those of a table, of which the vault must know.
    pub(crate) fn of(vault: &Vault, table: &'static str, what: &'static str) -> Self {
        Self {
            vault: vault.clone(),
            table,
            what,
        }
    }

    /// All of them, while the store is being opened.
    pub(crate) fn all<T: DeserializeOwned>(&self, database: &Database) -> Result<Vec<T>, Error> {
        let select = format!("SELECT account, document FROM {}", self.table);
        let rows = database.read_now("read what is defined", |from| {
            let mut statement = from.prepare(&select)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        rows.iter().map(|row| self.decode_row(row)).collect()
    }

    /// The one in the row that a condition finds, if there is such a row.
    pub(crate) fn find<T: DeserializeOwned>(
        &self,
        from: &Connection,
        condition: &str,
        by: impl Params,
        doing: &'static str,
    ) -> Result<Option<T>, Error> {
        let found = self.find_all(from, condition, by, doing);
        found.map(|found| found.into_iter().next())
    }

    /// Those in the rows that a condition finds.
    pub(crate) fn find_all<T: DeserializeOwned>(
        &self,
        from: &Connection,
        condition: &str,
        by: impl Params,
        doing: &'static str,
    ) -> Result<Vec<T>, Error> {
        let select = format!(
            "SELECT account, document FROM {} WHERE {condition}",
            self.table
        );
        let rows = from.prepare_cached(&select).and_then(|mut select| {
            let rows = select.query_map(by, |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        let rows = rows.doing(doing)?;
        rows.iter().map(|row| self.decode_row(row)).collect()
    }

    /// Reads one of an account.
    pub(crate) fn decode<T: DeserializeOwned>(
        &self,
        account: &AccountId,
        document: &str,
    ) -> Result<T, Error> {
        self.decode_of(account.as_str(), document)
    }

    /// The same of an account and its document as they are in a row.
    fn decode_row<T: DeserializeOwned>(
        &self,
        (account, document): &(String, String),
    ) -> Result<T, Error> {
        self.decode_of(account, document)
    }

    fn decode_of<T: DeserializeOwned>(&self, owner: &str, document: &str) -> Result<T, Error> {
        let plain = self.vault.open_of(owner, self.table, document)?;
        serde_json::from_slice(&plain).map_err(|error| Error::Damaged {
            what: self.what.to_owned(),
            why: error.to_string(),
        })
    }

    /// Writes one of an account; which it is, is said of one that cannot be written.
    pub(crate) fn encode(
        &self,
        to: &Connection,
        account: &AccountId,
        value: &impl Serialize,
        which: impl FnOnce() -> String,
    ) -> Result<String, Error> {
        let plain = Zeroizing::new(encode(value, which)?);
        self.vault.seal(to, account, self.table, plain.as_bytes())
    }
}

/// The documents of a table that is not sealed.
pub(crate) fn all(from: &Connection, table: &'static str) -> rusqlite::Result<Vec<String>> {
    let mut statement = from.prepare(&format!("SELECT document FROM {table}"))?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.collect()
}

/// Reads one that is not sealed; `what` it is, such as `a bucket`, is said of one that is damaged.
pub(crate) fn decode<T: DeserializeOwned>(document: &str, what: &str) -> Result<T, Error> {
    serde_json::from_str(document).map_err(|error| Error::Damaged {
        what: what.to_owned(),
        why: error.to_string(),
    })
}

/// Writes one that is not sealed; which it is, is said of one that cannot be written.
pub(crate) fn encode(
    value: &impl Serialize,
    which: impl FnOnce() -> String,
) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Damaged {
        what: which(),
        why: error.to_string(),
    })
}
