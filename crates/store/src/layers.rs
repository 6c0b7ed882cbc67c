//! Layers: one document a version, kept in `meta.db` and in memory.
//!
//! A version's number is given once: the highest ever given is kept apart from the versions, which
//! may be deleted. The content is an artifact, and stays for as long as a version or a function
//! refers to it.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use kiln_types::{AccountId, LayerName, LayerVersion};
use rusqlite::{Connection, params};

use crate::database::Database;
use crate::document::Documents;
use crate::error::{Doing, Error};
use crate::functions;
use crate::tenants::{Quotas, check_code};
use crate::vault::Vault;

/// The tables, as a migration of `meta.db`.
pub(crate) const TABLES: &str = "
    CREATE TABLE layer (
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        last_version INTEGER NOT NULL,
        PRIMARY KEY (account, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE layer_version (
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        version INTEGER NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (account, name, version)
    ) STRICT, WITHOUT ROWID;
";

/// All versions of all layers. Clones share them.
#[derive(Clone)]
pub struct Layers {
    database: Arc<Database>,
    documents: Documents,
    /// Those of functions, whose code counts too.
    functions: Documents,
    quotas: Quotas,
    snapshot: Arc<RwLock<Snapshot>>,
}

type Versions = BTreeMap<u64, Arc<LayerVersion>>;
type Snapshot = BTreeMap<AccountId, BTreeMap<LayerName, Versions>>;

impl Layers {
    pub(crate) fn open(
        database: Arc<Database>,
        vault: &Vault,
        quotas: &Quotas,
    ) -> Result<Self, Error> {
        let documents = documents(vault);
        let mut snapshot = Snapshot::new();
        for layer in documents.all(&database)? {
            put(&mut snapshot, Arc::new(layer));
        }
        Ok(Self {
            database,
            documents,
            functions: functions::documents(vault),
            quotas: quotas.clone(),
            snapshot: Arc::new(RwLock::new(snapshot)),
        })
    }

    /// Keeps what `version` makes of the next version number, whose account and name must be these.
    /// It runs on the store's writer thread: it must not block or do anything long.
    pub async fn publish<F>(
        &self,
        account: &AccountId,
        name: &LayerName,
        version: F,
    ) -> Result<Arc<LayerVersion>, Error>
    where
        F: FnOnce(u64) -> LayerVersion + Send + 'static,
    {
        let (account, name) = (account.clone(), name.clone());
        let (documents, functions) = (self.documents.clone(), self.functions.clone());
        let quotas = self.quotas.clone();
        let work = move |connection: &Connection| {
            let number = next_number(connection, &account, &name).doing("number a layer")?;
            let layer = version(number);
            write(&documents, connection, &layer)?;
            check_code(&quotas, (&functions, &documents), connection, &account)?;
            Ok(Arc::new(layer))
        };
        self.database
            .write_then("publish layer", work, self.publisher())
            .await
    }

    /// One version. From memory.
    pub fn get(
        &self,
        account: &AccountId,
        name: &LayerName,
        version: u64,
    ) -> Option<Arc<LayerVersion>> {
        let snapshot = self.snapshot.read().expect("no holder panics");
        snapshot.get(account)?.get(name)?.get(&version).cloned()
    }

    /// The versions of a layer, oldest first. From memory.
    pub fn versions(&self, account: &AccountId, name: &LayerName) -> Vec<Arc<LayerVersion>> {
        let snapshot = self.snapshot.read().expect("no holder panics");
        let layer = snapshot.get(account).and_then(|names| names.get(name));
        layer
            .into_iter()
            .flat_map(BTreeMap::values)
            .cloned()
            .collect()
    }

    /// All versions of an account's layers, by name, oldest first. From memory.
    pub fn list(&self, account: &AccountId) -> Vec<Arc<LayerVersion>> {
        let snapshot = self.snapshot.read().expect("no holder panics");
        let names = snapshot.get(account).into_iter().flat_map(BTreeMap::values);
        names.flat_map(BTreeMap::values).cloned().collect()
    }

    /// All versions of all accounts. From memory.
    pub fn all(&self) -> Vec<Arc<LayerVersion>> {
        let snapshot = self.snapshot.read().expect("no holder panics");
        let names = snapshot.values().flat_map(BTreeMap::values);
        names.flat_map(BTreeMap::values).cloned().collect()
    }

    /// Reads a version, lets `change` alter it, and keeps the result; what it refuses is not kept.
    /// Account, name and number stay. Fails with [`Error::NoLayer`] when there is none.
    pub async fn update<E, F>(
        &self,
        account: &AccountId,
        name: &LayerName,
        version: u64,
        change: F,
    ) -> Result<Arc<LayerVersion>, E>
    where
        F: FnOnce(&mut LayerVersion) -> Result<(), E> + Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (account, name) = (account.clone(), name.clone());
        let documents = self.documents.clone();
        let work = move |connection: &Connection| {
            let found = read(&documents, connection, (&account, &name, version))?;
            let mut layer = found.ok_or_else(|| Error::NoLayer {
                name: name.clone(),
                version,
            })?;
            change(&mut layer)?;
            (layer.account, layer.name, layer.version) = (account, name, version);
            write(&documents, connection, &layer)?;
            Ok(Arc::new(layer))
        };
        self.database
            .write_then("update layer", work, self.publisher())
            .await
    }

    /// Forgets a version, if there is one. Its content stays for the functions that have it.
    pub async fn delete(
        &self,
        account: &AccountId,
        name: &LayerName,
        version: u64,
    ) -> Result<(), Error> {
        let (account, name) = (account.clone(), name.clone());
        let gone = (account.clone(), name.clone());
        let work = move |connection: &Connection| {
            let delete =
                "DELETE FROM layer_version WHERE account = ?1 AND name = ?2 AND version = ?3";
            let key = params![account.as_str(), name.as_str(), number(version)];
            connection.execute(delete, key).doing("delete layer")?;
            Ok(())
        };
        let snapshot = self.snapshot.clone();
        let forget = move |(): &()| {
            let mut snapshot = snapshot.write().expect("no holder panics");
            let names = snapshot.get_mut(&gone.0);
            if let Some(versions) = names.and_then(|names| names.get_mut(&gone.1)) {
                versions.remove(&version);
            }
        };
        self.database.write_then("delete layer", work, forget).await
    }

    /// Forgets all of an account, which is on disk no more.
    pub(crate) fn forget(&self, account: &AccountId) {
        let mut snapshot = self.snapshot.write().expect("no holder panics");
        snapshot.remove(account);
    }

    fn publisher(&self) -> impl FnOnce(&Arc<LayerVersion>) + Send + 'static {
        let snapshot = self.snapshot.clone();
        move |layer| {
            put(
                &mut snapshot.write().expect("no holder panics"),
                layer.clone(),
            )
        }
    }
}

/// Where layers are kept.
pub(crate) fn documents(vault: &Vault) -> Documents {
    Documents::of(vault, "layer_version", "a layer")
}

fn put(snapshot: &mut Snapshot, layer: Arc<LayerVersion>) {
    let names = snapshot.entry(layer.account.clone()).or_default();
    let versions = names.entry(layer.name.clone()).or_default();
    versions.insert(layer.version, layer);
}

fn next_number(
    connection: &Connection,
    account: &AccountId,
    name: &LayerName,
) -> rusqlite::Result<u64> {
    let count = "INSERT INTO layer (account, name, last_version) VALUES (?1, ?2, 1)
                 ON CONFLICT DO UPDATE SET last_version = last_version + 1
                 RETURNING last_version";
    let mut statement = connection.prepare_cached(count)?;
    let number: i64 = statement.query_row([account.as_str(), name.as_str()], |row| row.get(0))?;
    Ok(number.unsigned_abs())
}

/// SQLite counts no further; no version has a larger number.
fn number(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

fn read(
    documents: &Documents,
    connection: &Connection,
    (account, name, version): (&AccountId, &LayerName, u64),
) -> Result<Option<LayerVersion>, Error> {
    let key = params![account.as_str(), name.as_str(), number(version)];
    let condition = "account = ?1 AND name = ?2 AND version = ?3";
    documents.find(connection, condition, key, "read layer")
}

fn write(
    documents: &Documents,
    connection: &Connection,
    layer: &LayerVersion,
) -> Result<(), Error> {
    let which = || format!("layer {}", layer.name);
    let document = documents.encode(connection, &layer.account, layer, which)?;
    let put = "INSERT OR REPLACE INTO layer_version (account, name, version, document)
               VALUES (?1, ?2, ?3, ?4)";
    let (account, name) = (layer.account.as_str(), layer.name.as_str());
    connection
        .prepare_cached(put)
        .and_then(|mut statement| {
            statement.execute(params![account, name, number(layer.version), document])
        })
        .doing("write layer")?;
    Ok(())
}
