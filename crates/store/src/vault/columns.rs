//! Which columns of `meta.db` are sealed, and how all of them are sealed anew.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use zeroize::Zeroizing;

use super::{Vault, split};
use crate::error::{Doing, Error};

/// A column of sealed texts.
#[derive(Debug)]
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

/// Columns in which something was plain, until it has been wiped off the disk.
#[derive(Debug, Default)]
pub(crate) struct Unwiped(Vec<&'static Column>);

/// Seals what was written before its column was sealed. What was plain is on the disk still: a column that had anything in it is
/// done only when the caller has wiped that and said so ([`Unwiped::done`]), and is told again at the next start if that did not
/// come to pass.
pub(crate) fn seal_what_is_plain(vault: &Vault, to: &Connection) -> Result<Unwiped, Error> {
    let mut unwiped = Unwiped::default();
    for column in COLUMNS {
        if column.is_done(to).doing("seal what is stored")? {
            continue;
        }
        if column.is_empty(to).doing("seal what is stored")? {
            column.set_done(to)?;
            continue;
        }
        column.each(to, None, |owner, what, text| match split(text) {
            Some(_) => Ok(None),
            None => vault.seal_of(to, owner, what, text.as_bytes()).map(Some),
        })?;
        unwiped.0.push(column);
    }
    Ok(unwiped)
}

impl Unwiped {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing is left on the disk of what was plain.
    pub(crate) fn done(&self, to: &Connection) -> Result<(), Error> {
        self.0.iter().try_for_each(|column| column.set_done(to))
    }
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
    fn name(&self) -> String {
        format!("{}.{}", self.table, self.column)
    }

    fn is_done(&self, from: &Connection) -> rusqlite::Result<bool> {
        let select = "SELECT EXISTS (SELECT 1 FROM sealed_column WHERE name = ?1)";
        from.query_row(select, [self.name()], |row| row.get(0))
    }

    fn set_done(&self, to: &Connection) -> Result<(), Error> {
        let insert = "INSERT OR IGNORE INTO sealed_column (name) VALUES (?1)";
        let inserted = to.execute(insert, [self.name()]);
        inserted.doing("seal what is stored").map(|_| ())
    }

    fn is_empty(&self, from: &Connection) -> rusqlite::Result<bool> {
        let select = format!("SELECT NOT EXISTS (SELECT 1 FROM {})", self.table);
        from.query_row(&select, [], |row| row.get(0))
    }

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
