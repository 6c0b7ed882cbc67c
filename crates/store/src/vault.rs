//! Sealing: what is kept of an account is encrypted by a data key of its own, and that by the master key.
//!
//! A sealed text is `k1.<id of the data key>.<base64 of nonce and ciphertext>`, by AES-256-GCM; what it is (a row of which table)
//! is authenticated with it, so that it opens in no other's place. Data keys are rows of `meta.db`, encrypted ("wrapped") by the
//! [master key](master). Whoever has the files but not the master key has names and nothing else, and what a data key sealed
//! that has been [destroyed](Vault::rotate) can be read by nobody, wherever a copy of it lies.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, RwLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use kiln_types::AccountId;
use rusqlite::{Connection, OptionalExtension, params};
use zeroize::Zeroizing;

use crate::error::{Doing, Error};
use crate::random::fill;

mod cipher;
mod columns;
mod master;
#[cfg(test)]
mod tests;

use cipher::Cipher;
pub(crate) use columns::seal_what_is_plain;
pub(crate) use master::MasterKeys;
pub use master::{InvalidMasterKey, MasterKey};

/// Data keys, and which columns are known to be sealed: a migration of `meta.db`.
pub(crate) const TABLES: &str = "
    CREATE TABLE data_key (
        id TEXT NOT NULL PRIMARY KEY,
        owner TEXT NOT NULL,
        generation INTEGER NOT NULL,
        wrapped BLOB NOT NULL,
        UNIQUE (owner, generation)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE sealed_column (name TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;
";

/// Whose what belongs to no account is: the server's own keys.
pub(crate) const SERVER: &str = "kiln";
/// What sealed texts begin with; nothing that was kept before there were any does.
const FORMAT: &str = "k1";
const KEY_BYTES: usize = 32;

/// Seals and opens. Clones share it.
#[derive(Clone)]
pub(crate) struct Vault {
    master: Arc<Cipher>,
    keys: Arc<RwLock<HashMap<String, Arc<DataKey>>>>,
}

struct DataKey {
    id: String,
    owner: String,
    cipher: Cipher,
}

/// How many texts of how many owners were sealed anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Data keys that were replaced.
    pub keys: usize,
    /// Texts that were sealed by them.
    pub texts: usize,
}

impl Vault {
    /// The vault of a database: all its data keys, unwrapped. Those that a former master key wrapped are wrapped by the
    /// current one; also says whether there were any.
    pub(crate) fn unlock(to: &Connection, masters: &MasterKeys) -> Result<(Self, bool), Error> {
        let master = Cipher::new(masters.current.bytes())?;
        let former = masters.former.iter().map(|key| Cipher::new(key.bytes()));
        let former = former.collect::<Result<Vec<_>, _>>()?;
        let (mut keys, mut is_changed) = (HashMap::new(), false);
        for (id, owner, wrapped) in wrapped_keys(to).doing("read data keys")? {
            let what = wrapping(&id, &owner);
            let bytes = match master.open(&what, &wrapped) {
                Some(bytes) => bytes,
                None => {
                    let opened = former.iter().find_map(|key| key.open(&what, &wrapped));
                    let bytes = opened.ok_or(Error::WrongMasterKey)?;
                    let wrapped = master.seal(&what, &bytes)?;
                    let update = "UPDATE data_key SET wrapped = ?2 WHERE id = ?1";
                    let updated = to.execute(update, params![id, wrapped]);
                    updated.doing("wrap data keys")?;
                    is_changed = true;
                    bytes
                }
            };
            let cipher = Cipher::new(&bytes)?;
            keys.insert(id.clone(), Arc::new(DataKey { id, owner, cipher }));
        }
        let vault = Self {
            master: Arc::new(master),
            keys: Arc::new(RwLock::new(keys)),
        };
        Ok((vault, is_changed))
    }

    /// Seals what belongs to an account; `what` it is must be said again to open it. An account's first text gets it a data
    /// key, in the transaction that the text is of.
    pub(crate) fn seal(
        &self,
        to: &Connection,
        account: &AccountId,
        what: &str,
        plain: &[u8],
    ) -> Result<String, Error> {
        self.seal_of(to, account.as_str(), what, plain)
    }

    /// The same of any owner: an account or [`SERVER`].
    pub(crate) fn seal_of(
        &self,
        to: &Connection,
        owner: &str,
        what: &str,
        plain: &[u8],
    ) -> Result<String, Error> {
        let key = match self.current(to, owner)? {
            Some(key) => key,
            None => self.make(to, owner)?,
        };
        key.seal(what, plain)
    }

    /// Opens what [`Vault::seal`] made.
    pub(crate) fn open(
        &self,
        account: &AccountId,
        what: &str,
        sealed: &str,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.open_of(account.as_str(), what, sealed)
    }

    /// The same of any owner.
    pub(crate) fn open_of(
        &self,
        owner: &str,
        what: &str,
        sealed: &str,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let damaged = |why: &str| Error::Damaged {
            what: format!("{what} of {owner}"),
            why: why.to_owned(),
        };
        let (id, sealed) = split(sealed).ok_or_else(|| damaged("it is not sealed"))?;
        let key = self.known(id).filter(|key| key.owner == owner);
        let key = key.ok_or_else(|| damaged("its data key has been destroyed"))?;
        let bytes = BASE64
            .decode(sealed)
            .map_err(|_| damaged("it is not base64"))?;
        let opened = key.cipher.open(what, &bytes);
        opened.ok_or_else(|| damaged("it was altered, or is another's"))
    }

    /// Whether anything has been sealed yet.
    pub(crate) fn has_keys(from: &Connection) -> Result<bool, Error> {
        let select = "SELECT EXISTS (SELECT 1 FROM data_key)";
        let found = from.query_row(select, [], |row| row.get(0));
        found.doing("read data keys")
    }

    /// Gives every owner a new data key, seals by it all that the ones before sealed, and destroys those; returns also their ids.
    pub(crate) fn rotate(&self, to: &Connection) -> Result<(Resealed, Vec<String>), Error> {
        let former = owned_keys(to).doing("read data keys")?;
        let owners: BTreeSet<&String> = former.iter().map(|(_, owner)| owner).collect();
        let mut texts = 0;
        for owner in owners {
            self.make(to, owner)?;
            texts += columns::reseal(self, to, owner)?;
        }
        let destroyed: Vec<String> = former.into_iter().map(|(id, _)| id).collect();
        for id in &destroyed {
            let deleted = to.execute("DELETE FROM data_key WHERE id = ?1", [id]);
            deleted.doing("destroy data keys")?;
        }
        let keys = destroyed.len();
        Ok((Resealed { keys, texts }, destroyed))
    }

    /// Destroys the data keys of an account; tells their ids, to be [forgotten](Vault::forget).
    pub(crate) fn destroy(
        &self,
        to: &Connection,
        account: &AccountId,
    ) -> Result<Vec<String>, Error> {
        let delete = "DELETE FROM data_key WHERE owner = ?1 RETURNING id";
        let destroyed = to.prepare(delete).and_then(|mut delete| {
            let ids = delete.query_map([account.as_str()], |row| row.get(0))?;
            ids.collect::<rusqlite::Result<Vec<String>>>()
        });
        destroyed.doing("destroy data keys")
    }

    /// Forgets keys that were destroyed, once that has been committed. Keys that others made in the same commit stay.
    pub(crate) fn forget(&self, destroyed: &[String]) {
        let mut keys = self.keys.write().expect("no holder panics");
        keys.retain(|id, _| !destroyed.contains(id));
    }

    /// The key that an owner's texts are sealed by at the moment. The database is asked: a key that a transaction made which
    /// then failed is in memory, and must seal nothing.
    fn current(&self, from: &Connection, owner: &str) -> Result<Option<Arc<DataKey>>, Error> {
        let select = "SELECT id FROM data_key WHERE owner = ?1 ORDER BY generation DESC LIMIT 1";
        let id = from.prepare_cached(select).and_then(|mut select| {
            let id = select.query_row([owner], |row| row.get::<_, String>(0));
            id.optional()
        });
        let Some(id) = id.doing("read data keys")? else {
            return Ok(None);
        };
        let known = self.known(&id).ok_or_else(|| Error::Damaged {
            what: format!("data key {id}"),
            why: "it was made by another server".to_owned(),
        })?;
        Ok(Some(known))
    }

    fn make(&self, to: &Connection, owner: &str) -> Result<Arc<DataKey>, Error> {
        let mut name = [0; 8];
        fill(&mut name)?;
        let id = format!("{:016x}", u64::from_be_bytes(name));
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        fill(bytes.as_mut())?;
        let wrapped = self.master.seal(&wrapping(&id, owner), bytes.as_ref())?;
        let insert = "INSERT INTO data_key (id, owner, generation, wrapped)
             VALUES (?1, ?2, (SELECT COALESCE(MAX(generation), 0) + 1 FROM data_key WHERE owner = ?2), ?3)";
        let inserted = to.execute(insert, params![id, owner, wrapped]);
        inserted.doing("make a data key")?;
        let key = Arc::new(DataKey {
            id: id.clone(),
            owner: owner.to_owned(),
            cipher: Cipher::new(bytes.as_ref())?,
        });
        let mut keys = self.keys.write().expect("no holder panics");
        keys.insert(id, key.clone());
        Ok(key)
    }

    fn known(&self, id: &str) -> Option<Arc<DataKey>> {
        self.keys.read().expect("no holder panics").get(id).cloned()
    }
}

impl DataKey {
    fn seal(&self, what: &str, plain: &[u8]) -> Result<String, Error> {
        let sealed = BASE64.encode(self.cipher.seal(what, plain)?);
        Ok(format!("{FORMAT}.{}.{sealed}", self.id))
    }
}

/// Reads sealed texts and opens them, and does so again if that fails: their data key may have been replaced in between.
pub(crate) async fn read_and_open<S, T, F>(
    read: impl Fn() -> F,
    open: impl Fn(S) -> Result<T, Error>,
) -> Result<T, Error>
where
    F: Future<Output = Result<S, Error>>,
{
    match open(read().await?) {
        Ok(opened) => Ok(opened),
        Err(_) => open(read().await?),
    }
}

/// The id of the data key of a sealed text, and what it sealed; none of what is not sealed.
fn split(sealed: &str) -> Option<(&str, &str)> {
    let rest = sealed.strip_prefix(FORMAT)?.strip_prefix('.')?;
    rest.split_once('.')
}

/// Ids and owners of all data keys.
fn owned_keys(from: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let mut select = from.prepare("SELECT id, owner FROM data_key")?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// What a data key is authenticated with when it is wrapped.
fn wrapping(id: &str, owner: &str) -> String {
    format!("data key {id} of {owner}")
}

/// Ids, owners and wrapped bytes.
fn wrapped_keys(from: &Connection) -> rusqlite::Result<Vec<(String, String, Vec<u8>)>> {
    let mut select = from.prepare("SELECT id, owner, wrapped FROM data_key")?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    rows.collect()
}
