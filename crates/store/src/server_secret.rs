//! Secrets of the server's own: 32 random bytes each, of which it makes keys that belong to no account, and texts that it is to
//! remember and nobody else may read.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};
use zeroize::Zeroizing;

use crate::database::Database;
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

/// Texts of the server's own, sealed like its secrets. Clones share them.
#[derive(Clone)]
pub struct ServerTexts {
    database: Arc<Database>,
    vault: Vault,
}

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerText {
    /// Who the server is to the authority that certifies it, with the key that proves it.
    AcmeAccount,
    /// The certificate that it got there, with its key.
    AcmeCertificate,
    /// How often it did not get one, and when it asks again.
    AcmeFailures,
}

impl ServerTexts {
    pub(crate) fn of(database: &Arc<Database>, vault: &Vault) -> Self {
        Self {
            database: database.clone(),
            vault: vault.clone(),
        }
    }

    /// What is remembered, if anything is.
    pub async fn get(&self, which: ServerText) -> Result<Option<Zeroizing<String>>, Error> {
        let (vault, name) = (self.vault.clone(), which.name());
        let read = move |from: &Connection| {
            let sealed = sealed(from, name).optional()?;
            Ok(sealed.map(|sealed| vault.open_of(SERVER, &what(name), &sealed)))
        };
        let found = self.database.read("read a text of the server", read);
        let Some(plain) = found.await?.transpose()? else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&plain).map_err(|_| Error::Damaged {
            what: what(name),
            why: "it is no text".to_owned(),
        })?;
        Ok(Some(Zeroizing::new(text.to_owned())))
    }

    /// Remembers a text in the place of the one before.
    pub async fn put(&self, which: ServerText, text: Zeroizing<String>) -> Result<(), Error> {
        let (vault, name) = (self.vault.clone(), which.name());
        let write = move |to: &Connection| {
            let sealed = vault.seal_of(to, SERVER, &what(name), text.as_bytes())?;
            let put = "INSERT OR REPLACE INTO server_secret (name, value) VALUES (?1, ?2)";
            let put = to.execute(put, [name, &sealed]);
            put.map(drop).doing("keep a text of the server")
        };
        self.database
            .write("keep a text of the server", write)
            .await
    }

    /// Forgets it.
    pub async fn remove(&self, which: ServerText) -> Result<(), Error> {
        let remove = move |to: &Connection| {
            let delete = "DELETE FROM server_secret WHERE name = ?1";
            let removed = to.execute(delete, [which.name()]);
            removed.map(drop).doing("forget a text of the server")
        };
        let doing = "forget a text of the server";
        self.database.write(doing, remove).await
    }
}

impl ServerText {
    fn name(self) -> &'static str {
        match self {
            ServerText::AcmeAccount => "acme account",
            ServerText::AcmeCertificate => "acme certificate",
            ServerText::AcmeFailures => "acme failures",
        }
    }
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
    let found = sealed(to, name).optional();
    if let Some(sealed) = found.doing("read secrets of the server")? {
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

fn sealed(from: &Connection, name: &str) -> rusqlite::Result<String> {
    let select = "SELECT value FROM server_secret WHERE name = ?1";
    from.query_row(select, [name], |row| row.get(0))
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
