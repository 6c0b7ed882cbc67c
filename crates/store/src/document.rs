//! Definitions as they are kept in `meta.db`: a JSON document a row.

use rusqlite::Connection;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// The documents of a table.
pub(crate) fn all(from: &Connection, table: &'static str) -> rusqlite::Result<Vec<String>> {
    let mut statement = from.prepare(&format!("SELECT document FROM {table}"))?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.collect()
}

/// Reads one; `what` it is, such as `a function`, is said of one that is damaged.
pub(crate) fn decode<T: DeserializeOwned>(document: &str, what: &str) -> Result<T, Error> {
    serde_json::from_str(document).map_err(|error| Error::Damaged {
        what: what.to_owned(),
        why: error.to_string(),
    })
}

/// Writes one; which it is, is said of one that cannot be written.
pub(crate) fn encode(
    value: &impl Serialize,
    which: impl FnOnce() -> String,
) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Damaged {
        what: which(),
        why: error.to_string(),
    })
}
