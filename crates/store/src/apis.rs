//! HTTP APIs: one document each, kept in `meta.db` and in memory.
//!
//! A document holds the API's draft and everything deployed, so that an edit and what stages serve after it
//! are one change. Requests read the copy in memory, which is changed after the commit.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use kiln_types::{AccountId, Api, ApiId};
use rusqlite::{Connection, params};

use crate::database::Database;
use crate::document::Documents;
use crate::error::{Doing, Error};
use crate::vault::Vault;

/// The tables, as a migration of `meta.db`.
pub(crate) const TABLES: &str = "
    CREATE TABLE api (
        id TEXT NOT NULL PRIMARY KEY,
        account TEXT NOT NULL,
        document TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX api_of ON api (account);
";

/// All HTTP APIs. Clones share them.
#[derive(Clone)]
pub struct Apis {
    database: Arc<Database>,
    documents: Documents,
    snapshot: Arc<RwLock<Snapshot>>,
}

type Snapshot = HashMap<ApiId, Arc<Api>>;

impl Apis {
    pub(crate) fn open(database: Arc<Database>, vault: &Vault) -> Result<Self, Error> {
        let documents = Documents::of(vault, "api", "an HTTP API");
        let mut snapshot = Snapshot::new();
        for api in documents.all::<Api>(&database)? {
            snapshot.insert(api.id.clone(), Arc::new(api));
        }
        Ok(Self {
            database,
            documents,
            snapshot: Arc::new(RwLock::new(snapshot)),
        })
    }

    /// Remembers a new API. Fails with [`Error::TooManyApis`] when its account has `count_max` already.
    pub async fn create(&self, api: Api, count_max: usize) -> Result<Arc<Api>, Error> {
        let documents = self.documents.clone();
        let work = move |connection: &Connection| {
            if count_of(connection, &api.account).doing("count HTTP APIs")? >= count_max {
                return Err(Error::TooManyApis(count_max));
            }
            let insert = "INSERT INTO api (document, id, account) VALUES (?1, ?2, ?3)";
            let (id, account) = (api.id.as_str(), api.account.as_str());
            let document = encode(&documents, connection, &api)?;
            connection
                .execute(insert, params![document, id, account])
                .doing("create HTTP API")?;
            Ok(Arc::new(api))
        };
        let snapshot = self.snapshot.clone();
        let publish = move |api: &Arc<Api>| put(&snapshot, api.clone());
        self.database
            .write_then("create HTTP API", work, publish)
            .await
    }

    /// One API, whoever's. From memory.
    pub fn get(&self, id: &ApiId) -> Option<Arc<Api>> {
        let snapshot = self.snapshot.read().expect("no holder panics");
        snapshot.get(id).cloned()
    }

    /// All APIs of an account, by id. From memory.
    pub fn list(&self, account: &AccountId) -> Vec<Arc<Api>> {
        let snapshot = self.snapshot.read().expect("no holder panics");
        let own = snapshot.values().filter(|api| api.account == *account);
        let mut own: Vec<_> = own.cloned().collect();
        drop(snapshot);
        own.sort_by(|one, two| one.id.cmp(&two.id));
        own
    }

    /// Reads an API of an account, lets `change` alter it, and keeps the result with what `change` returns; no
    /// other change of the API comes in between. When `change` refuses, nothing is kept. Id and account
    /// stay. Fails with [`Error::NoApi`] when the account has none of this id.
    ///
    /// `change` runs on the store's writer thread: it must not block or do anything long.
    pub async fn update<T, E, F>(
        &self,
        account: &AccountId,
        id: &ApiId,
        change: F,
    ) -> Result<(Arc<Api>, T), E>
    where
        F: FnOnce(&mut Api) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (account, id) = (account.clone(), id.clone());
        let documents = self.documents.clone();
        let work = move |connection: &Connection| {
            let found = read(&documents, connection, &account, &id)?;
            let mut api = found.ok_or_else(|| Error::NoApi {
                account: account.clone(),
                id: id.clone(),
            })?;
            let made = change(&mut api)?;
            (api.id, api.account) = (id, account);
            let document = encode(&documents, connection, &api)?;
            let update = "UPDATE api SET document = ?1 WHERE id = ?2";
            connection
                .prepare_cached(update)
                .and_then(|mut statement| statement.execute([&*document, api.id.as_str()]))
                .doing("update HTTP API")?;
            Ok((Arc::new(api), made))
        };
        let snapshot = self.snapshot.clone();
        let publish = move |(api, _): &(Arc<Api>, T)| put(&snapshot, api.clone());
        self.database
            .write_then("update HTTP API", work, publish)
            .await
    }

    /// Forgets an API of an account. Fails with [`Error::NoApi`] when the account has none of this id.
    pub async fn delete(&self, account: &AccountId, id: &ApiId) -> Result<(), Error> {
        let (account, gone) = (account.clone(), id.clone());
        let id = id.clone();
        let work = move |connection: &Connection| {
            let delete = "DELETE FROM api WHERE id = ?1 AND account = ?2";
            let deleted = connection.execute(delete, [id.as_str(), account.as_str()]);
            match deleted.doing("delete HTTP API")? {
                0 => Err(Error::NoApi { account, id }),
                _ => Ok(()),
            }
        };
        let snapshot = self.snapshot.clone();
        let forget = move |(): &()| {
            snapshot.write().expect("no holder panics").remove(&gone);
        };
        self.database
            .write_then("delete HTTP API", work, forget)
            .await
    }

    /// Forgets all of an account, which is on disk no more.
    pub(crate) fn forget(&self, account: &AccountId) {
        let mut snapshot = self.snapshot.write().expect("no holder panics");
        snapshot.retain(|_, api| api.account != *account);
    }
}

fn put(snapshot: &RwLock<Snapshot>, api: Arc<Api>) {
    let mut snapshot = snapshot.write().expect("no holder panics");
    snapshot.insert(api.id.clone(), api);
}

fn count_of(connection: &Connection, account: &AccountId) -> rusqlite::Result<usize> {
    let count = "SELECT count(*) FROM api WHERE account = ?1";
    let count: i64 = connection.query_row(count, [account.as_str()], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

fn read(
    documents: &Documents,
    connection: &Connection,
    account: &AccountId,
    id: &ApiId,
) -> Result<Option<Api>, Error> {
    let key = [id.as_str(), account.as_str()];
    let condition = "id = ?1 AND account = ?2";
    documents.find(connection, condition, key, "read HTTP API")
}

fn encode(documents: &Documents, to: &Connection, api: &Api) -> Result<String, Error> {
    documents.encode(to, &api.account, api, || format!("HTTP API {}", api.id))
}
