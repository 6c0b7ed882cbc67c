//! Secrets of the server's own, of 32 random bytes each: what it makes keys of that belong to no account.

use rusqlite::{Connection, OptionalExtension};
use zeroize::Zeroizing;

use crate::error::{Doing, Error};
use crate::random::fill;
use crate::vault::{SERVER, Vault};

/// By name, sealed: a migration of `meta.db`. That of functions was there before.
pub(crate) const TABLE: &str = "
    CREATE TABLE server_secret (
        name TEXT NOT NULL PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    INSERT INTO server_secret SELECT 'functions', lower(hex(bytes)) FROM function_secret;
    DROP TABLE function_secret;
";

/// One of them.
pub(crate) type Secret = [u8; 32];

/// All of them.
pub(crate) struct ServerSecrets {
    /// What the keys of functions are derived from.
    pub(crate) functions: Secret,
    /// What records of packages are sealed by.
    pub(crate) packages: Secret,
}

impl ServerSecrets {
    /// Reads them; those that are not there yet are made.
    pub(crate) fn open(vault: &Vault, to: &Connection) -> Result<Self, Error> {
        Ok(Self {
            functions: find_or_make(vault, to, "functions")?,
            packages: find_or_make(vault, to, "packages")?,
        })
    }
}

fn find_or_make(vault: &Vault, to: &Connection, name: &str) -> Result<Secret, Error> {
    let select = "SELECT value FROM server_secret WHERE name = ?1";
    let found = to.query_row(select, [name], |row| row.get::<_, String>(0));
    if let Some(sealed) = found.optional().doing("read secrets of the server")? {
        return opened(vault, name, &sealed);
    }
    let mut secret = Secret::default();
    fill(&mut secret)?;
    let digits = Zeroizing::new(hex::encode(secret));
    let sealed = vault.seal_of(to, SERVER, &what(name), digits.as_bytes())?;
    let insert = "INSERT INTO server_secret (name, value) VALUES (?1, ?2)";
    let inserted = to.execute(insert, [name, &sealed]);
    inserted.doing("make a secret of the server")?;
    Ok(secret)
}

fn opened(vault: &Vault, name: &str, sealed: &str) -> Result<Secret, Error> {
    let what = what(name);
    let digits = vault.open_of(SERVER, &what, sealed)?;
    let mut secret = Secret::default();
    let read = hex::decode_to_slice(&*digits, &mut secret);
    read.map_err(|_| Error::Damaged {
        what,
        why: "it is not 64 hexadecimal digits".to_owned(),
    })?;
    Ok(secret)
}

/// What one is sealed as; the vault's list of columns says the same in SQL.
fn what(name: &str) -> String {
    format!("server secret {name}")
}
