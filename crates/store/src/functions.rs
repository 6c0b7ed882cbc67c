//! Functions: one document each, kept in `meta.db` and in memory.
//!
//! Changes run on the writer thread, where they see each other; the copy in memory is changed
//! after the commit, in the same order, so that it never shows what could still be lost.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use kiln_types::account::AccountId;
use kiln_types::{Function, FunctionId, Qualifier, UrlId};
use rusqlite::{Connection, params};
use tokio::sync::broadcast;

use crate::database::{Checkpoint, Database, Durability, Spec};
use crate::document::Documents;
use crate::error::{Doing, Error};
use crate::layers;
use crate::signing;
use crate::tenants::{Quotas, check_code};
use crate::vault::Vault;

mod snapshot;

use snapshot::Snapshot;

/// Changes that a subscriber may fall behind.
const CHANGES_MAX: usize = 1_024;

/// `meta.db`: functions, the index of their URLs, access keys, layers, mappings, HTTP APIs, buses, topics,
/// identities, secrets and parameters.
pub(crate) const META: Spec = Spec {
    file: "meta.db",
    durability: Durability::Disk,
    linger: Duration::ZERO,
    checkpoint: Checkpoint::Inline,
    wipes: true,
    migrations: &[
        "
        CREATE TABLE function (
            account TEXT NOT NULL,
            name TEXT NOT NULL,
            document TEXT NOT NULL,
            PRIMARY KEY (account, name)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE function_url (
            id TEXT NOT NULL PRIMARY KEY,
            account TEXT NOT NULL,
            name TEXT NOT NULL,
            FOREIGN KEY (account, name) REFERENCES function (account, name) ON DELETE CASCADE
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX function_url_of ON function_url (account, name);
        CREATE TABLE access_key (
            id TEXT NOT NULL PRIMARY KEY,
            secret TEXT NOT NULL,
            account TEXT NOT NULL,
            name TEXT NOT NULL,
            created INTEGER NOT NULL,
            active INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
    ",
        layers::TABLES,
        crate::keys::TABLES,
        crate::mappings::TABLE,
        crate::apis::TABLES,
        crate::buses::TABLES,
        crate::topics::TABLES,
        crate::mappings::PLACES,
        crate::topics::SIGNER,
        crate::iam::TABLES,
        crate::keys::OWNERS,
        crate::vault::TABLES,
        crate::server_secret::TABLE,
        crate::secrets::TABLES,
        crate::parameters::TABLES,
        signing::TABLES,
        crate::tenants::TABLES,
    ],
};

/// All functions of all accounts.
pub(crate) struct Functions {
    database: Arc<Database>,
    documents: Documents,
    /// Those of layers, which count as code too.
    layers: Documents,
    quotas: Quotas,
    snapshot: Arc<RwLock<Snapshot>>,
    changes: broadcast::Sender<FunctionId>,
}

impl Functions {
    pub(crate) fn open(
        database: Arc<Database>,
        vault: &Vault,
        quotas: &Quotas,
    ) -> Result<Self, Error> {
        let documents = documents(vault);
        let mut snapshot = Snapshot::default();
        for function in documents.all(&database)? {
            snapshot.put(Arc::new(function));
        }
        let (changes, _) = broadcast::channel(CHANGES_MAX);
        Ok(Self {
            database,
            documents,
            layers: layers::documents(vault),
            quotas: quotas.clone(),
            snapshot: Arc::new(RwLock::new(snapshot)),
            changes,
        })
    }

    pub(crate) async fn create(&self, function: Function) -> Result<Arc<Function>, Error> {
        let (documents, layers) = (self.documents.clone(), self.layers.clone());
        let quotas = self.quotas.clone();
        let work = move |connection: &Connection| {
            if read(&documents, connection, &function.id)?.is_some() {
                return Err(Error::AlreadyExists(function.id));
            }
            signing::check_config_of(connection, &function)?;
            quotas.check_functions(connection, &function.id.account)?;
            insert(&documents, connection, &function)?;
            write_urls(connection, &function)?;
            let account = &function.id.account;
            check_code(&quotas, (&documents, &layers), connection, account)?;
            Ok(Arc::new(function))
        };
        self.database
            .write_then("create function", work, self.publish())
            .await
    }

    pub(crate) async fn update<E, F>(&self, id: &FunctionId, change: F) -> Result<Arc<Function>, E>
    where
        F: FnOnce(&mut Function) -> Result<(), E> + Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.update_with(id, move |_, function| change(function))
            .await
    }

    pub(crate) async fn update_among<E, F>(
        &self,
        id: &FunctionId,
        change: F,
    ) -> Result<Arc<Function>, E>
    where
        F: FnOnce(&mut Function, &[Function]) -> Result<(), E> + Send + 'static,
        E: From<Error> + Send + 'static,
    {
        // Read where changes are made: the copy in memory lacks those that are not committed yet.
        let documents = self.documents.clone();
        self.update_with(id, move |connection, function| {
            let others = read_others(&documents, connection, &function.id)?;
            change(function, &others)
        })
        .await
    }

    async fn update_with<E, F>(&self, id: &FunctionId, change: F) -> Result<Arc<Function>, E>
    where
        F: FnOnce(&Connection, &mut Function) -> Result<(), E> + Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (documents, id) = (self.documents.clone(), id.clone());
        let (layers, quotas) = (self.layers.clone(), self.quotas.clone());
        let work = move |connection: &Connection| {
            let found = read(&documents, connection, &id)?;
            let mut function = found.ok_or_else(|| Error::NotFound(id.clone()))?;
            let signing_before = function.code_signing.clone();
            let bytes = function.code_bytes();
            change(connection, &mut function)?;
            function.id = id;
            if function.code_signing != signing_before {
                signing::check_config_of(connection, &function)?;
            }
            replace(&documents, connection, &function)?;
            write_urls(connection, &function)?;
            if function.code_bytes() > bytes {
                let account = &function.id.account;
                check_code(&quotas, (&documents, &layers), connection, account)?;
            }
            Ok(Arc::new(function))
        };
        self.database
            .write_then("update function", work, self.publish())
            .await
    }

    pub(crate) async fn delete(&self, id: &FunctionId) -> Result<Arc<Function>, Error> {
        let (documents, id) = (self.documents.clone(), id.clone());
        let work = move |connection: &Connection| {
            let function = read(&documents, connection, &id)?.ok_or(Error::NotFound(id))?;
            let delete = "DELETE FROM function WHERE account = ?1 AND name = ?2";
            let key = [function.id.account.as_str(), function.id.name.as_str()];
            connection.execute(delete, key).doing("delete function")?;
            Ok(Arc::new(function))
        };
        let snapshot = self.snapshot.clone();
        let changes = self.changes.clone();
        let publish = move |function: &Arc<Function>| {
            snapshot
                .write()
                .expect("no holder panics")
                .remove(&function.id);
            let _ = changes.send(function.id.clone());
        };
        self.database
            .write_then("delete function", work, publish)
            .await
    }

    pub(crate) fn get(&self, id: &FunctionId) -> Option<Arc<Function>> {
        self.snapshot.read().expect("no holder panics").get(id)
    }

    pub(crate) fn list(&self, account: &AccountId) -> Vec<Arc<Function>> {
        self.snapshot
            .read()
            .expect("no holder panics")
            .list(account)
    }

    pub(crate) fn all(&self) -> Vec<Arc<Function>> {
        self.snapshot.read().expect("no holder panics").all()
    }

    pub(crate) fn by_url(&self, url: &UrlId) -> Option<(Arc<Function>, Option<Qualifier>)> {
        self.snapshot.read().expect("no holder panics").by_url(url)
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<FunctionId> {
        self.changes.subscribe()
    }

    /// Forgets all of an account, which is on disk no more.
    pub(crate) fn forget(&self, account: &AccountId) {
        for function in self.list(account) {
            let mut snapshot = self.snapshot.write().expect("no holder panics");
            snapshot.remove(&function.id);
            drop(snapshot);
            let _ = self.changes.send(function.id.clone());
        }
    }

    fn publish(&self) -> impl FnOnce(&Arc<Function>) + Send + 'static {
        let snapshot = self.snapshot.clone();
        let changes = self.changes.clone();
        move |function| {
            snapshot
                .write()
                .expect("no holder panics")
                .put(function.clone());
            // Fails when nobody listens, which is nobody's loss.
            let _ = changes.send(function.id.clone());
        }
    }
}

/// Where functions are kept.
pub(crate) fn documents(vault: &Vault) -> Documents {
    Documents::of(vault, "function", "a function")
}

/// The functions of an account, as the changes before this one left them.
pub(crate) fn read_all(
    documents: &Documents,
    connection: &Connection,
    account: &AccountId,
) -> Result<Vec<Function>, Error> {
    let key = [account.as_str()];
    documents.find_all(connection, "account = ?1", key, "read functions")
}

fn read(
    documents: &Documents,
    connection: &Connection,
    id: &FunctionId,
) -> Result<Option<Function>, Error> {
    let key = [id.account.as_str(), id.name.as_str()];
    let condition = "account = ?1 AND name = ?2";
    documents.find(connection, condition, key, "read function")
}

/// The account's functions but for this one.
fn read_others(
    documents: &Documents,
    connection: &Connection,
    id: &FunctionId,
) -> Result<Vec<Function>, Error> {
    let key = [id.account.as_str(), id.name.as_str()];
    let condition = "account = ?1 AND name <> ?2";
    documents.find_all(connection, condition, key, "read functions")
}

fn insert(
    documents: &Documents,
    connection: &Connection,
    function: &Function,
) -> Result<(), Error> {
    let insert = "INSERT INTO function (document, account, name) VALUES (?1, ?2, ?3)";
    write(documents, connection, insert, function)
}

fn replace(
    documents: &Documents,
    connection: &Connection,
    function: &Function,
) -> Result<(), Error> {
    let update = "UPDATE function SET document = ?1 WHERE account = ?2 AND name = ?3";
    write(documents, connection, update, function)
}

fn write(
    documents: &Documents,
    connection: &Connection,
    sql: &str,
    function: &Function,
) -> Result<(), Error> {
    let id = &function.id;
    let which = || format!("function {id}");
    let document = documents.encode(connection, &id.account, function, which)?;
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| {
            statement.execute(params![document, id.account.as_str(), id.name.as_str()])
        })
        .doing("write function")?;
    Ok(())
}

fn write_urls(connection: &Connection, function: &Function) -> Result<(), Error> {
    let id = &function.id;
    let (account, name) = (id.account.as_str(), id.name.as_str());
    let write = || {
        let delete = "DELETE FROM function_url WHERE account = ?1 AND name = ?2";
        connection
            .prepare_cached(delete)?
            .execute([account, name])?;
        let insert = "INSERT INTO function_url (id, account, name) VALUES (?1, ?2, ?3)
                      ON CONFLICT (id) DO NOTHING";
        for url in function.urls.values() {
            let mut statement = connection.prepare_cached(insert)?;
            if statement.execute([url.id.as_str(), account, name])? == 0 {
                return Ok(Some(url.id.clone()));
            }
        }
        Ok(None)
    };
    match write().doing("write function URLs")? {
        Some(taken) => Err(Error::UrlTaken(taken)),
        None => Ok(()),
    }
}
