//! Which columns of `meta.db` are sealed, and how all of them are sealed anew.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use zeroize::Zeroizing;

use super::{Vault, split};
use crate::error::{Doing, Error};

/// A column of sealed texts.
struct Column {
    table: &'static str,
    column: &'static str,
    /// The columns that name a row.
    key: &'static [&'static str],
    /// SQL: whose a row is, and what its text was sealed as.
    owner: &'static str,
    what: &'static str,
}

/// A column of documents, as [`Documents`](crate::document::Documents) seals them.
const fn documents(
    table: &'static str,
    what: &'static str,
    key: &'static [&'static str],
) -> Column {
    Column {
        table,
        column: "document",
        key,
        owner: "account",
        what,
    }
}

const COLUMNS: &[Column] = &[
    documents("function", "'function'", &["account", "name"]),
    documents(
        "layer_version",
        "'layer_version'",
        &["account", "name", "version"],
    ),
    documents("event_source_mapping", "'event_source_mapping'", &["id"]),
    documents("api", "'api'", &["id"]),
    documents("bus", "'bus'", &["account", "name"]),
    documents("bus_rule", "'bus_rule'", &["account", "bus", "name"]),
    documents("topic", "'topic'", &["account", "name"]),
    documents(
        "subscription",
        "'subscription'",
        &["account", "topic", "id"],
    ),
    documents(
        "signing_profile",
        "'signing_profile'",
        &["account", "name", "version"],
    ),
    documents(
        "code_signing_config",
        "'code_signing_config'",
        &["account", "id"],
    ),
    documents("tenant", "'tenant'", &["account"]),
    documents("identity", "'identity'", &["account", "id"]),
    documents("secret", "'secret'", &["account", "name"]),
    Column {
        table: "secret_value",
        column: "sealed",
        key: &["account", "name", "version"],
        owner: "account",
        what: "'secret ' || name || ' version ' || version",
    },
    documents("parameter", "'parameter'", &["account", "name"]),
    documents(
        "parameter_version",
        "'parameter_version'",
        &["account", "name", "version"],
    ),
    Column {
        table: "parameter_version",
        column: "sealed",
        key: &["account", "name", "version"],
        owner: "account",
        what: "'parameter ' || name || ' version ' || version",
    },
    Column {
        table: "access_key",
        column: "secret",
        key: &["id"],
        owner: "account",
        what: "'access key ' || id",
    },
    Column {
        table: "topic_signer",
        column: "key",
        key: &["id"],
        owner: "'kiln'",
        what: "'topic signer'",
    },
    Column {
        table: "server_secret",
        column: "value",
        key: &["name"],
        owner: "'kiln'",
        what: "'server secret ' || name",
    },
];

/// Seals what was written before its column was sealed, and says whether there was any.
pub(crate) fn seal_what_is_plain(vault: &Vault, to: &Connection) -> Result<bool, Error> {
    let mut any = false;
    for column in COLUMNS {
        let name = format!("{}.{}", column.table, column.column);
        let insert = "INSERT OR IGNORE INTO sealed_column (name) VALUES (?1)";
        if to.execute(insert, [&name]).doing("seal what is stored")? == 0 {
            continue;
        }
        let sealed = column.each(to, None, |owner, what, text| match split(text) {
            Some(_) => Ok(None),
            None => vault.seal_of(to, owner, what, text.as_bytes()).map(Some),
        })?;
        any |= sealed > 0;
    }
    Ok(any)
}

/// Seals all that is an owner's with the data key that is current, and says how many texts that were.
pub(super) fn reseal(vault: &Vault, to: &Connection, owner: &str) -> Result<usize, Error> {
    let mut texts = 0;
    for column in COLUMNS {
        texts += column.each(to, Some(owner), |owner, what, text| {
            let plain = vault.open_of(owner, what, text)?;
            vault.seal_of(to, owner, what, &plain).map(Some)
        })?;
    }
    Ok(texts)
}

impl Column {
    /// Lets `change` say what each text becomes, of one owner or of all, and counts those that it changed.
    fn each(
        &self,
        to: &Connection,
        owner: Option<&str>,
        change: impl Fn(&str, &str, &str) -> Result<Option<String>, Error>,
    ) -> Result<usize, Error> {
        let Self { table, column, .. } = self;
        let key = self.key.join(", ");
        let select = format!(
            "SELECT {}, {}, {column}, {key} FROM {table} WHERE ?1 IS NULL OR {} = ?1",
            self.owner, self.what, self.owner
        );
        let by: Vec<_> = (2..self.key.len() + 2).map(|n| format!("?{n}")).collect();
        let update = format!(
            "UPDATE {table} SET {column} = ?1 WHERE ({key}) = ({})",
            by.join(", ")
        );
        let rows = self.rows(to, &select, owner).doing("read what is sealed")?;
        let mut changed = 0;
        for Row {
            owner,
            what,
            text,
            key,
        } in rows
        {
            let Some(text) = change(&owner, &what, &text)? else {
                continue;
            };
            let values = std::iter::once(Value::Text(text)).chain(key);
            let updated = to
                .prepare_cached(&update)
                .and_then(|mut update| update.execute(params_from_iter(values)));
            changed += updated.doing("seal what is stored")?;
        }
        Ok(changed)
    }

    fn rows(
        &self,
        from: &Connection,
        select: &str,
        owner: Option<&str>,
    ) -> rusqlite::Result<Vec<Row>> {
        let mut select = from.prepare(select)?;
        let rows = select.query_map([owner], |row| {
            let key = (3..3 + self.key.len()).map(|n| row.get(n));
            Ok(Row {
                owner: row.get(0)?,
                what: row.get(1)?,
                text: Zeroizing::new(row.get(2)?),
                key: key.collect::<rusqlite::Result<_>>()?,
            })
        })?;
        rows.collect()
    }
}

/// A text, perhaps a plain one.
struct Row {
    owner: String,
    what: String,
    text: Zeroizing<String>,
    key: Vec<Value>,
}
